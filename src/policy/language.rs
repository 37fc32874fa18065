//! In which language a message is written, and whether mail in it is expected.
//!
//! Told from the visible text by the crate whatlang (trigrams and scripts, 69 languages). Nothing is said of texts that
//! are short or that leave doubt; close languages (Danish and Norwegian, say) are easily confused, so name both.

use serde_saphyr::Spanned;
use whatlang::Lang;

use super::options::LanguageOptions;
use crate::config::Findings;
use crate::filter::Hit;
use crate::mail::Mail;

/// Characters of a text that are looked at.
const CHARS: usize = 1_000;
/// Bound on the points of a hit.
const POINTS: f64 = 100.0;
/// Id of the hit.
pub(super) const UNEXPECTED: &str = "POLICY_LANGUAGE";

/// ISO 639-1 codes of the languages that can be told apart.
const SHORT: [(&str, Lang); 67] = [
    ("af", Lang::Afr),
    ("ak", Lang::Aka),
    ("am", Lang::Amh),
    ("ar", Lang::Ara),
    ("az", Lang::Aze),
    ("be", Lang::Bel),
    ("bg", Lang::Bul),
    ("bn", Lang::Ben),
    ("ca", Lang::Cat),
    ("cs", Lang::Ces),
    ("cy", Lang::Cym),
    ("da", Lang::Dan),
    ("de", Lang::Deu),
    ("el", Lang::Ell),
    ("en", Lang::Eng),
    ("eo", Lang::Epo),
    ("es", Lang::Spa),
    ("et", Lang::Est),
    ("fa", Lang::Pes),
    ("fi", Lang::Fin),
    ("fr", Lang::Fra),
    ("gu", Lang::Guj),
    ("he", Lang::Heb),
    ("hi", Lang::Hin),
    ("hr", Lang::Hrv),
    ("hu", Lang::Hun),
    ("hy", Lang::Hye),
    ("id", Lang::Ind),
    ("it", Lang::Ita),
    ("ja", Lang::Jpn),
    ("jv", Lang::Jav),
    ("ka", Lang::Kat),
    ("km", Lang::Khm),
    ("kn", Lang::Kan),
    ("ko", Lang::Kor),
    ("la", Lang::Lat),
    ("lt", Lang::Lit),
    ("lv", Lang::Lav),
    ("mk", Lang::Mkd),
    ("ml", Lang::Mal),
    ("mr", Lang::Mar),
    ("my", Lang::Mya),
    ("nb", Lang::Nob),
    ("ne", Lang::Nep),
    ("nl", Lang::Nld),
    ("no", Lang::Nob),
    ("or", Lang::Ori),
    ("pa", Lang::Pan),
    ("pl", Lang::Pol),
    ("pt", Lang::Por),
    ("ro", Lang::Ron),
    ("ru", Lang::Rus),
    ("si", Lang::Sin),
    ("sk", Lang::Slk),
    ("sl", Lang::Slv),
    ("sn", Lang::Sna),
    ("sr", Lang::Srp),
    ("sv", Lang::Swe),
    ("ta", Lang::Tam),
    ("te", Lang::Tel),
    ("th", Lang::Tha),
    ("tk", Lang::Tuk),
    ("tl", Lang::Tgl),
    ("tr", Lang::Tur),
    ("uk", Lang::Ukr),
    ("ur", Lang::Urd),
    ("zh", Lang::Cmn),
];

/// `language:` of a policy, checked.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Language {
    expected: Vec<Lang>,
    score: f64,
    min_letters: usize,
    confidence: f64,
}

/// What was found out about a text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Detected {
    lang: Lang,
    confidence: f64,
    letters: usize,
}

impl Language {
    /// Checks what is written.
    pub(super) fn check(
        written: &Spanned<LanguageOptions>,
        findings: &mut Findings<'_>,
    ) -> Language {
        let options = &written.value;
        findings.within(&options.min_letters, 20, CHARS / 2, "letters");
        findings.within(&options.confidence, 0.0, 1.0, "");
        if !options.score.value.is_finite() || options.score.value.abs() > POINTS {
            findings.wrong(
                &options.score,
                format!("must be -{POINTS} to {POINTS} points"),
            );
        }
        if options.expected.is_empty() {
            findings.wrong(
                written,
                "`expected` is empty, so every language would get points",
            );
        }
        let expected = options.expected.iter().filter_map(|code| {
            let found = read(&code.value);
            if found.is_none() {
                findings.wrong_with_help(
                    code,
                    format!("`{}` is no language that can be told", code.value),
                    format!("known: {}", SHORT.map(|(code, _)| code).join(", ")),
                );
            }
            found
        });
        Language {
            expected: expected.collect(),
            score: options.score.value,
            min_letters: options.min_letters.value,
            confidence: options.confidence.value,
        }
    }

    /// The hit for a text, if it is in a language that is not expected.
    pub(super) fn judge(&self, detected: Option<Detected>) -> Option<Hit> {
        let found = detected?;
        let sure = found.letters >= self.min_letters && found.confidence >= self.confidence;
        if !sure || self.expected.contains(&found.lang) {
            return None;
        }
        let evidence = format!(
            "{}, confidence {:.2}",
            found.lang.eng_name(),
            found.confidence
        );
        Some(Hit::new(UNEXPECTED, self.score, evidence))
    }
}

fn read(code: &str) -> Option<Lang> {
    let code = code.trim().to_ascii_lowercase();
    let short = SHORT.iter().find(|(short, _)| *short == code);
    short
        .map(|(_, lang)| *lang)
        .or_else(|| Lang::from_code(code))
}

/// Tells the language of a message.
pub(super) fn detect(mail: &Mail) -> Option<Detected> {
    let text: String = mail
        .text()
        .split_whitespace()
        // Addresses of any kind are of no language.
        .filter(|word| !word.contains("://") && !word.contains('@'))
        .flat_map(|word| word.chars().chain([' ']))
        .take(CHARS)
        .collect();
    let found = whatlang::detect(&text)?;
    Some(Detected {
        lang: found.lang(),
        confidence: found.confidence(),
        letters: text.chars().filter(|c| c.is_alphabetic()).count(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Source, unwritten};
    use crate::mail::Limits;

    fn mail(text: &str) -> Mail {
        let raw = format!("Content-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n");
        Mail::parse(raw.into(), &Limits::default())
    }

    fn language(expected: &[&str]) -> Language {
        Language {
            expected: expected.iter().map(|c| read(c).unwrap()).collect(),
            score: 2.0,
            min_letters: 100,
            confidence: 0.8,
        }
    }

    const GERMAN: &str = "Sehr geehrte Damen und Herren, wir möchten Sie daran erinnern, dass die \
        Versammlung am kommenden Donnerstag im großen Saal des Rathauses stattfindet. Bitte bringen \
        Sie Ihre Unterlagen mit und melden Sie sich vorher im Sekretariat an.";
    const ENGLISH: &str = "Dear neighbours, we would like to remind you that the meeting takes place \
        next Thursday in the large hall of the town house. Please bring your papers along and let the \
        office know beforehand whether you are going to come.";

    #[test]
    fn only_another_language_that_is_sure_gives_points() {
        let hit = |expected: &[&str], text: &str| {
            let hit = language(expected).judge(detect(&mail(text)));
            hit.map(|h| (h.score, h.evidence))
        };
        assert_eq!(hit(&["de", "en"], GERMAN), None);
        assert_eq!(hit(&["deu"], GERMAN), None);
        assert_eq!(hit(&["EN"], ENGLISH), None);
        let (score, evidence) = hit(&["en"], GERMAN).unwrap();
        assert_eq!(score, 2.0);
        assert!(
            evidence.starts_with("Deutsch") || evidence.starts_with("German"),
            "{evidence}"
        );
        assert!(hit(&["de"], ENGLISH).is_some());
        // Too little text, or none at all.
        assert_eq!(hit(&["de"], "Please call me back soon."), None);
        assert_eq!(hit(&["de"], ""), None);
        assert_eq!(
            hit(&["de"], &"https://example.org/a/b?c=d ".repeat(50)),
            None
        );
    }

    #[test]
    fn what_cannot_be_told_is_a_problem() {
        let source = Source::new("mailweir.yaml", "x");
        let check = |expected: &[&str], score: f64| {
            let options = LanguageOptions {
                expected: expected
                    .iter()
                    .map(|c| unwritten((*c).to_owned()))
                    .collect(),
                score: unwritten(score),
                min_letters: unwritten(100),
                confidence: unwritten(0.8),
            };
            let mut findings = Findings::new(&source);
            let language = Language::check(&unwritten(options), &mut findings);
            findings.finish(language)
        };
        assert!(check(&["no", "sv"], 2.0).is_ok());
        assert!(
            check(&["xx"], 2.0)
                .unwrap_err()
                .to_string()
                .contains("`xx`")
        );
        assert!(check(&[], 2.0).is_err());
        assert!(check(&["de"], f64::NAN).is_err());
    }
}
