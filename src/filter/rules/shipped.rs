//! The rules that come with mailweir, compiled in so that one binary is enough.

/// Name and text of each file, in the order of the names.
pub(super) const FILES: &[(&str, &str)] = &[
    (
        "archives.yaml",
        include_str!("../../../rules/archives.yaml"),
    ),
    (
        "attachments.yaml",
        include_str!("../../../rules/attachments.yaml"),
    ),
    (
        "bargains.yaml",
        include_str!("../../../rules/bargains.yaml"),
    ),
    ("brands.yaml", include_str!("../../../rules/brands.yaml")),
    (
        "documents.yaml",
        include_str!("../../../rules/documents.yaml"),
    ),
    ("headers.yaml", include_str!("../../../rules/headers.yaml")),
    (
        "identity.yaml",
        include_str!("../../../rules/identity.yaml"),
    ),
    ("letters.yaml", include_str!("../../../rules/letters.yaml")),
    ("mailers.yaml", include_str!("../../../rules/mailers.yaml")),
    ("offers.yaml", include_str!("../../../rules/offers.yaml")),
    (
        "phishing.yaml",
        include_str!("../../../rules/phishing.yaml"),
    ),
    ("scams.yaml", include_str!("../../../rules/scams.yaml")),
    ("stories.yaml", include_str!("../../../rules/stories.yaml")),
    (
        "structure.yaml",
        include_str!("../../../rules/structure.yaml"),
    ),
    (
        "together.yaml",
        include_str!("../../../rules/together.yaml"),
    ),
    ("urls.yaml", include_str!("../../../rules/urls.yaml")),
];

/// Name and text of each list, in the order of the names.
pub(super) const LISTS: &[(&str, &str)] = &[
    (
        "domains_amazon.txt",
        include_str!("../../../rules/lists/domains_amazon.txt"),
    ),
    (
        "domains_apple.txt",
        include_str!("../../../rules/lists/domains_apple.txt"),
    ),
    (
        "domains_bank.txt",
        include_str!("../../../rules/lists/domains_bank.txt"),
    ),
    (
        "domains_crypto.txt",
        include_str!("../../../rules/lists/domains_crypto.txt"),
    ),
    (
        "domains_microsoft.txt",
        include_str!("../../../rules/lists/domains_microsoft.txt"),
    ),
    (
        "domains_parcel.txt",
        include_str!("../../../rules/lists/domains_parcel.txt"),
    ),
    (
        "domains_paypal.txt",
        include_str!("../../../rules/lists/domains_paypal.txt"),
    ),
    (
        "domains_retailer.txt",
        include_str!("../../../rules/lists/domains_retailer.txt"),
    ),
    (
        "domains_security.txt",
        include_str!("../../../rules/lists/domains_security.txt"),
    ),
    (
        "domains_signature.txt",
        include_str!("../../../rules/lists/domains_signature.txt"),
    ),
    (
        "domains_social.txt",
        include_str!("../../../rules/lists/domains_social.txt"),
    ),
    (
        "domains_state.txt",
        include_str!("../../../rules/lists/domains_state.txt"),
    ),
    (
        "domains_streaming.txt",
        include_str!("../../../rules/lists/domains_streaming.txt"),
    ),
    (
        "domains_telecom.txt",
        include_str!("../../../rules/lists/domains_telecom.txt"),
    ),
    (
        "extensions_image.txt",
        include_str!("../../../rules/lists/extensions_image.txt"),
    ),
    (
        "extensions_macro.txt",
        include_str!("../../../rules/lists/extensions_macro.txt"),
    ),
    (
        "extensions_program.txt",
        include_str!("../../../rules/lists/extensions_program.txt"),
    ),
    (
        "extensions_rare_archive.txt",
        include_str!("../../../rules/lists/extensions_rare_archive.txt"),
    ),
    (
        "extensions_script.txt",
        include_str!("../../../rules/lists/extensions_script.txt"),
    ),
    (
        "freemail.txt",
        include_str!("../../../rules/lists/freemail.txt"),
    ),
    (
        "names_amazon.txt",
        include_str!("../../../rules/lists/names_amazon.txt"),
    ),
    (
        "names_apple.txt",
        include_str!("../../../rules/lists/names_apple.txt"),
    ),
    (
        "names_bank.txt",
        include_str!("../../../rules/lists/names_bank.txt"),
    ),
    (
        "names_crypto.txt",
        include_str!("../../../rules/lists/names_crypto.txt"),
    ),
    (
        "names_microsoft.txt",
        include_str!("../../../rules/lists/names_microsoft.txt"),
    ),
    (
        "names_parcel.txt",
        include_str!("../../../rules/lists/names_parcel.txt"),
    ),
    (
        "names_paypal.txt",
        include_str!("../../../rules/lists/names_paypal.txt"),
    ),
    (
        "names_retailer.txt",
        include_str!("../../../rules/lists/names_retailer.txt"),
    ),
    (
        "names_security.txt",
        include_str!("../../../rules/lists/names_security.txt"),
    ),
    (
        "names_signature.txt",
        include_str!("../../../rules/lists/names_signature.txt"),
    ),
    (
        "names_social.txt",
        include_str!("../../../rules/lists/names_social.txt"),
    ),
    (
        "names_state.txt",
        include_str!("../../../rules/lists/names_state.txt"),
    ),
    (
        "names_streaming.txt",
        include_str!("../../../rules/lists/names_streaming.txt"),
    ),
    (
        "names_telecom.txt",
        include_str!("../../../rules/lists/names_telecom.txt"),
    ),
    (
        "sha256_bad.txt",
        include_str!("../../../rules/lists/sha256_bad.txt"),
    ),
    (
        "signing_domains.txt",
        include_str!("../../../rules/lists/signing_domains.txt"),
    ),
];

#[cfg(test)]
mod tests {
    use std::path::Path;

    use bytes::Bytes;
    use proptest::prelude::*;

    use super::super::evaluation::Evaluation;
    use super::super::ruleset::RuleSet;
    use super::super::texts::Subject;
    use super::super::written::File;
    use super::{FILES, LISTS};
    use crate::config::{Source, parse_yaml};
    use crate::mail::{Envelope, Limits, Mail};

    /// Pieces of spam and ham that the shipped rules know in part.
    const WORDS: &[&str] = &[
        "next of kin",
        "NEXT OF",
        "kin",
        "bitcoin",
        "wallet",
        "Dear friend",
        "urgent",
        "verify your account",
        "invoice",
        "https://bit.ly/x",
        "click here",
        "password",
        "gift cards",
        "<a href=http://a.example>",
        "million",
        "USD",
        "$",
        "€",
        "unsubscribe",
        "\n",
        "ACT NOW",
        "paypal",
        "Zahlung",
        "Konto",
        "colis",
        "attached",
        "meeting",
        "tomorrow",
        "100% free",
        "é",
        "\u{200B}",
        "привет",
    ];

    fn pieced() -> impl Strategy<Value = String> {
        proptest::collection::vec(proptest::sample::select(WORDS), 0..25).prop_map(|v| v.join(" "))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(150))]

        /// Break it by letting the gate skip every second literal.
        #[test]
        fn gates_change_no_answer(subject in pieced(), text in pieced(), name in pieced()) {
            let set = shipped();
            let raw = format!(
                "From: \"{}\" <a@example.com>\nSubject: {}\nTo: me@example.org\nContent-Type: text/html\n\n{text}",
                name.replace(['"', '\n'], " "), subject.replace('\n', " "),
            );
            let mail = Mail::parse(Bytes::from(raw), &Limits::default());
            let envelope = Envelope::default();
            let transaction = Subject::Transaction(&envelope, &mail);
            for subject in [&transaction, &Subject::Fragment(&text)] {
                let gated = Evaluation::new(set, subject, None).hits();
                let naive = Evaluation::new(set, subject, None).without_gates().hits();
                prop_assert_eq!(gated, naive);
            }
        }
    }

    fn shipped() -> &'static RuleSet {
        static SET: std::sync::OnceLock<RuleSet> = std::sync::OnceLock::new();
        SET.get_or_init(|| RuleSet::shipped().unwrap_or_else(|p| panic!("{p}")))
    }

    #[test]
    fn the_shipped_rules_are_the_files_of_the_folder_and_load() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
        let there = |folder: &Path, ending: &str| -> Vec<String> {
            let mut names: Vec<String> = std::fs::read_dir(folder)
                .into_iter()
                .flatten()
                .map(|e| e.unwrap().file_name().into_string().unwrap())
                .filter(|n| n.ends_with(ending))
                .collect();
            names.sort();
            names
        };
        let listed: Vec<_> = FILES.iter().map(|(n, _)| *n).collect();
        assert_eq!(listed, there(&folder, ".yaml"));
        let listed: Vec<_> = LISTS.iter().map(|(n, _)| *n).collect();
        assert_eq!(listed, there(&folder.join("lists"), ".txt"));
        let set = shipped();
        assert!(set.rules().len() >= 120, "{}", set.rules().len());
        assert_eq!(RuleSet::load(&folder).unwrap().version(), set.version());
    }

    /// A rule that nobody can try is one that nobody can change.
    #[test]
    fn each_shipped_rule_has_a_description_and_tests_both_ways() {
        for (name, text) in FILES {
            let source = Source::new(*name, *text);
            let file: File = parse_yaml(&source).unwrap_or_else(|p| panic!("{p}"));
            for rule in file.rules {
                let id = &rule.id.value;
                let described = &rule.description.value;
                assert!(described.len() >= 10, "{name}: {id} has no description");
                let tests = rule.tests.as_ref();
                let (hit, miss) = tests.map_or((0, 0), |t| (t.hit.len(), t.miss.len()));
                assert!(
                    hit > 0 && miss > 0,
                    "{name}: {id} has {hit} and {miss} tests"
                );
            }
        }
    }

    #[test]
    fn no_shipped_rule_runs_over_a_whole_text_without_need() {
        let always = shipped().always_running();
        assert!(always.is_empty(), "{always:?}");
    }
}
