//! Instructions of fields in documents of Word, whatever format they stand in.

use super::examination::Examination;
use super::reference::is_remote;
use super::traits::Trait;

/// Looks at the instruction of a field (ECMA-376 part 1, section 17.16.5): what it asks for, and from where.
pub(super) fn examine(instruction: &str, examination: &mut Examination) {
    let mut words = instruction.split_whitespace();
    let Some(word) = words.next() else { return };
    let quoted = instruction.split('"').nth(1);
    let target = quoted.or_else(|| words.clone().next()).unwrap_or_default();
    let target = target.replace("\\\\", "\\");
    let found = match word.to_ascii_uppercase().as_str() {
        "DDE" | "DDEAUTO" => {
            examination.note(Trait::Dde);
            return;
        }
        "HYPERLINK" => None,
        "INCLUDEPICTURE" => Some(Trait::ExternalPicture),
        "INCLUDETEXT" | "INCLUDE" | "IMPORT" | "RD" => Some(Trait::ExternalObject),
        "LINK" => {
            let pieces = instruction.split('"').chain(words);
            if let Some(found) = pieces
                .map(|piece| piece.replace("\\\\", "\\"))
                .find(|p| is_remote(p))
            {
                examination.note(Trait::ExternalObject);
                examination.url(&found);
            }
            return;
        }
        _ => return,
    };
    if is_remote(&target) {
        examination.url(&target);
        if let Some(found) = found {
            examination.note(found);
        }
    }
}

/// The text that a field of the kind QUOTE stands for when it lists characters by their numbers.
pub(super) fn quoted(instruction: &str) -> Option<String> {
    let mut words = instruction.split_whitespace();
    let first = words.next()?;
    if !first.eq_ignore_ascii_case("quote") {
        return None;
    }
    words
        .map(|word| char::from_u32(word.trim_matches('"').parse().ok()?))
        .collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::Bounds;
    use super::*;

    /// Instructions, what each asks for, and from where.
    pub(in super::super) const INSTRUCTIONS: &[(&str, Option<Trait>, Option<&str>)] = &[
        ("DDEAUTO c:\\\\cmd.exe \"/k calc\"", Some(Trait::Dde), None),
        (" dde x y", Some(Trait::Dde), None),
        (
            "HYPERLINK \"http://a.example/x\"",
            None,
            Some("http://a.example/x"),
        ),
        (
            "INCLUDEPICTURE \"http://a.example/p\"",
            Some(Trait::ExternalPicture),
            Some("http://a.example/p"),
        ),
        ("INCLUDEPICTURE \"C:\\\\x.png\"", None, None),
        (
            "LINK htmlfile \"http://a.example/o\" \\a",
            Some(Trait::ExternalObject),
            Some("http://a.example/o"),
        ),
        (
            "INCLUDETEXT http://a.example/t",
            Some(Trait::ExternalObject),
            Some("http://a.example/t"),
        ),
        ("PAGE", None, None),
        ("", None, None),
    ];

    #[test]
    fn instructions_have_traits_and_urls() {
        for (text, expected, url) in INSTRUCTIONS {
            let mut examination = Examination::new(&Bounds::default());
            examine(text, &mut examination);
            let findings = examination.finish();
            assert!(findings.traits.iter().eq(expected.iter()), "{text}");
            assert_eq!(
                findings.urls,
                Vec::from_iter(url.map(str::to_owned)),
                "{text}"
            );
        }
    }

    #[test]
    fn characters_by_number_are_put_together() {
        assert_eq!(quoted(" QUOTE 68 68 69 ").as_deref(), Some("DDE"));
        assert_eq!(quoted("QUOTE \"text\""), None);
        assert_eq!(quoted("PAGE 1"), None);
    }
}
