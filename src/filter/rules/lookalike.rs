//! Domains made to be taken for another: one letter changed, added, left out or swapped, signs that look
//! alike.

/// Shorter names are too close to each other by chance.
const SHORTEST: usize = 5;
/// Signs and pairs that a reader takes for another letter.
const ALIKE: &[(&str, &str)] = &[
    ("rn", "m"),
    ("vv", "w"),
    ("cl", "d"),
    ("0", "o"),
    ("1", "l"),
    ("i", "l"),
    ("5", "s"),
    ("3", "e"),
    ("-", ""),
];

/// Whether a registered domain resembles another without being it. Both in lower case.
pub(super) fn resembles(domain: &str, model: &str) -> bool {
    if domain == model {
        return false;
    }
    let (domain, model) = (shown(domain), shown(model));
    let (Some((name, _)), Some((modelled, _))) = (domain.split_once('.'), model.split_once('.'))
    else {
        return false;
    };
    // The same name under another ending is the same company more often than not.
    if modelled.chars().count() < SHORTEST || name == modelled {
        return false;
    }
    read(name) == read(modelled) || strsim::damerau_levenshtein(name, modelled) == 1
}

/// An internationalised domain as a reader sees it.
fn shown(domain: &str) -> String {
    idna::domain_to_unicode(domain).0
}

/// A name as a careless reader reads it: letters that look alike are one, accents and homographs plain.
fn read(name: &str) -> String {
    let mut read: String = name.chars().map(plain).collect();
    for (sign, letter) in ALIKE {
        read = read.replace(sign, letter);
    }
    read
}

/// Letters of other scripts, and with marks, that look like a Latin one.
fn plain(c: char) -> char {
    match c {
        'а' | 'á' | 'à' | 'â' | 'ä' | 'ã' | 'å' | 'ą' | 'ā' | 'α' | 'ạ' => 'a',
        'е' | 'é' | 'è' | 'ê' | 'ë' | 'ę' | 'ē' | 'ė' | 'ẹ' => 'e',
        'о' | 'ó' | 'ò' | 'ô' | 'ö' | 'õ' | 'ø' | 'ο' | 'ọ' => 'o',
        'і' | 'í' | 'ì' | 'î' | 'ï' | 'ı' | 'ι' | 'ị' => 'i',
        'ú' | 'ù' | 'û' | 'ü' | 'ụ' => 'u',
        'с' | 'ç' | 'ć' | 'č' => 'c',
        'р' => 'p',
        'ѕ' | 'ś' | 'š' => 's',
        'х' => 'x',
        'у' | 'ý' | 'ÿ' => 'y',
        'ñ' | 'ń' | 'ņ' => 'n',
        'ĺ' | 'ł' | 'ӏ' => 'l',
        'ţ' | 'ț' => 't',
        'ź' | 'ž' | 'ż' => 'z',
        'ԁ' | 'đ' => 'd',
        'ɡ' | 'ğ' => 'g',
        'һ' => 'h',
        'ј' => 'j',
        'к' | 'ķ' => 'k',
        'м' => 'm',
        'ѡ' | 'ԝ' => 'w',
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lookalikes_resemble_and_others_do_not() {
        for (domain, expected) in [
            ("example-bank.org", true),
            ("exarnplebank.org", true),
            ("examplebamk.org", true),
            ("exmaplebank.org", true),
            ("examplebank.org", false),
            ("examplebank.com", false),
            ("examp1ebank.net", true),
            ("ехamplebank.org", true),
            ("otherbank.org", false),
        ] {
            assert_eq!(resembles(domain, "examplebank.org"), expected, "{domain}");
        }
        assert!(!resembles("abd.org", "abc.org"), "too short");
    }
}
