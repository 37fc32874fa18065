//! Passwords that a message tells: words near to what is called a password there.
//!
//! Whoever sends an encrypted file to a stranger and wants it opened tells the password in the same message. In: a text as
//! a reader sees it. Out: words that may be the password, the likely ones first. They are tried and never shown.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder};

/// How passwords are called, in lower case.
const CALLED: &[&str] = &[
    "password",
    "passwd",
    "passcode",
    "pass code",
    "passphrase",
    "pwd",
    "pass:",
    "pw:",
    "pin",
    "access code",
    "passwort",
    "kennwort",
    "zugangscode",
    "senha",
    "contrase\u{f1}a",
    "contrasena",
    "clave",
    "c\u{f3}digo de acceso",
    "mot de passe",
    "code d'acc\u{e8}s",
    "wachtwoord",
    "has\u{142}o",
    "haslo",
    "l\u{f6}senord",
    "adgangskode",
    "passord",
    "salasana",
    "\u{15f}ifre",
    "sifre",
    "parola",
    "jelsz\u{f3}",
    "heslo",
    "\u{43f}\u{430}\u{440}\u{43e}\u{43b}\u{44c}",
    "\u{5bc6}\u{7801}",
    "\u{5bc6}\u{78bc}",
    "\u{30d1}\u{30b9}\u{30ef}\u{30fc}\u{30c9}",
    "\u{be44}\u{bc00}\u{bc88}\u{d638}",
];
/// Words that stand between and are not it, in lower case.
const BETWEEN: &[&str] = &[
    "is",
    "the",
    "to",
    "for",
    "of",
    "your",
    "this",
    "file",
    "attachment",
    "archive",
    "document",
    "pdf",
    "zip",
    "open",
    "below",
    "and",
    "ist",
    "lautet",
    "das",
    "der",
    "die",
    "est",
    "es",
    "de",
    "do",
    "da",
    "del",
    "la",
    "el",
    "le",
    "para",
    "abrir",
    "acesso",
    "arquivo",
    "archivo",
    "fichier",
    "\u{e9}",
    "\u{e4}r",
    "er",
    "on",
    "wynosi",
    "protected",
    "required",
    "use",
    "enter",
];
/// How far behind the name a password is looked for, characters.
const REACH: usize = 80;
/// Words that are taken behind one name.
const WORDS: usize = 4;
/// Words that are handed out, and names that are looked at.
const MOST: usize = 32;
/// Longest word that is taken, characters.
const LONGEST: usize = 64;

static AUTOMATON: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    AhoCorasickBuilder::new()
        .ascii_case_insensitive(true)
        .build(CALLED)
        .ok()
});

/// Words of `text` that may be a password for a file that comes with it, at most 32, the likely ones first: what has a
/// digit, then by the distance to what is called a password.
pub fn likely_passwords(text: &str) -> Vec<String> {
    let mut found: Vec<(bool, usize, &str)> = Vec::new();
    let names = AUTOMATON.iter().flat_map(|a| a.find_iter(text));
    for name in names.take(MOST) {
        let rest = text.get(name.end()..).unwrap_or_default();
        let end = rest
            .char_indices()
            .nth(REACH)
            .map_or(rest.len(), |(at, _)| at);
        let near = rest.get(..end).unwrap_or_default();
        for (distance, word) in words(near).take(WORDS).enumerate() {
            let digits = word.bytes().any(|b| b.is_ascii_digit());
            found.push((!digits, distance, word));
        }
    }
    found.sort_by_key(|(plain, distance, _)| (*plain, *distance));
    let mut list: Vec<String> = Vec::new();
    for (_, _, word) in found {
        // Without what a sentence ends with, and with it.
        let inner = word.trim_end_matches(|c| around(c) || matches!(c, '.' | ',' | ';'));
        for form in [inner, inner.trim_end_matches(['!', '?']), word] {
            if !form.is_empty() && list.len() < MOST && !list.iter().any(|known| known == form) {
                list.push(form.to_owned());
            }
        }
    }
    list
}

/// What stands around a word and does not belong to it.
fn around(c: char) -> bool {
    const MARKS: &str =
        "\"'`()[]{}<>*_:=\u{ab}\u{bb}\u{201c}\u{201d}\u{201e}\u{2018}\u{2019}\u{ff1a}";
    c.is_whitespace() || MARKS.contains(c)
}

/// Words without what surrounds them, but for those that only stand between.
fn words(near: &str) -> impl Iterator<Item = &str> {
    near.split(char::is_whitespace)
        .map(|word| {
            word.trim_matches(around)
                .trim_start_matches(['-', '\u{2013}', '>'])
        })
        .filter(|word| !word.is_empty() && word.chars().count() <= LONGEST)
        .filter(|word| {
            let lower = word.to_lowercase();
            !BETWEEN.contains(&lower.trim_end_matches([',', '.']))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_among_the_words() {
        for (text, password) in [
            ("Senha de acesso: 123", "123"),
            ("Senha PDF: 123", "123"),
            ("The password for this file is \"Inv2024!\".", "Inv2024!"),
            ("Password - 7788. Regards", "7788"),
            ("Das Passwort lautet: Sommer2024", "Sommer2024"),
            ("PASSWORD: infected", "infected"),
            ("\u{43f}\u{430}\u{440}\u{43e}\u{43b}\u{44c}: 4455", "4455"),
            (
                "\u{30d1}\u{30b9}\u{30ef}\u{30fc}\u{30c9}\u{ff1a}abc123",
                "abc123",
            ),
            ("Mot de passe\n\n  X9-k2 \n", "X9-k2"),
        ] {
            let words = likely_passwords(text);
            assert!(words.iter().any(|w| w == password), "{text}: {words:?}");
        }
        assert_eq!(
            likely_passwords("nothing of the kind"),
            Vec::<String>::new()
        );
        assert_eq!(
            likely_passwords("password: hello 12a")
                .first()
                .map(String::as_str),
            Some("12a")
        );
    }

    #[test]
    fn a_hostile_text_gives_few_words_in_bounded_time() {
        let started = std::time::Instant::now();
        for unit in [
            "password ",
            "senha: x1 ",
            "pin",
            "\u{5bc6}\u{7801}",
            "password:1 2 3 4 ",
        ] {
            assert!(likely_passwords(&unit.repeat(1_000_000 / unit.len())).len() <= MOST);
        }
        assert!(started.elapsed().as_secs() < 10);
    }
}
