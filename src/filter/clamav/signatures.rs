//! What becomes of a message by the name of the signature that clamd found in it.
//!
//! Names come from many hands: ClamAV's own say platform, category and family (`Win.Trojan.Agent-1`), and `PUA.` or
//! `Heuristics.` where it is less sure; databases of others have their own, often about spam rather than viruses, with
//! `.UNOFFICIAL` behind. The first pattern that fits a name decides; the admin's stand before the shipped ones, and
//! what none fits is a virus.

use std::collections::HashSet;
use std::sync::Arc;

use super::options::{Options, SignatureAction, SignatureOptions};
use crate::config::{Findings, Glob};
use crate::filter::{Action, Hit};

/// The rule of viruses.
const VIRUS: &str = "VIRUS";
/// The rule of signatures that are ignored.
const IGNORED: &str = "CLAMAV_IGNORED";
/// The rule of signatures to which the admin gives points without a name.
const SIGNATURE: &str = "CLAMAV_SIGNATURE";
/// Most points of a signature.
const POINTS: f64 = 100.0;
/// Names that are no find but stand for what was not scanned; patterns do not see them.
const UNSCANNED: [(&str, &str); 2] = [
    ("heuristics.limits.exceeded", "limit"),
    ("heuristics.encrypted.", "encrypted"),
];

/// What a shipped pattern does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Treatment {
    /// A virus: `virus_action`.
    Virus,
    /// A hit of that id with these points.
    Points(&'static str, f64),
}

/// The shipped patterns in their order, and what they do.
pub const SIGNATURES: &[(&str, Treatment)] = {
    use Treatment::{Points, Virus};
    const UNWANTED: Treatment = Points("CLAMAV_PUA", 3.0);
    const HEURISTIC: Treatment = Points("CLAMAV_HEURISTIC", 4.0);
    const SPAM: Treatment = Points("CLAMAV_SPAM", 8.0);
    &[
        ("PUA.*", UNWANTED),
        ("Heuristics.Exploit.*", Virus),
        ("Heuristics.Trojan.*", Virus),
        ("Heuristics.W32.*", Virus),
        ("Heuristics.Worm.*", Virus),
        ("Heuristics.*", HEURISTIC),
        ("Sanesecurity.Badmacro.*", Virus),
        ("Sanesecurity.Foxhole.*", Virus),
        ("Sanesecurity.Malware.*", Virus),
        ("Sanesecurity.Rogue.*", Virus),
        ("Sanesecurity.Trojan.*", Virus),
        ("Sanesecurity?*", SPAM),
        ("SecuriteInfo.com.Phish*", SPAM),
        ("SecuriteInfo.com.Spam*", SPAM),
        ("winnow?phish*", SPAM),
        ("winnow?scam*", SPAM),
        ("winnow?spam*", SPAM),
        ("ScamNailer.*", SPAM),
        ("Phishing.*", SPAM),
        ("*.Junk.*", SPAM),
        ("*.Phishing.*", SPAM),
        ("*.Scam.*", SPAM),
        ("*.Spam.*", SPAM),
    ]
};

/// What becomes of a name that fits.
#[derive(Clone, Debug)]
enum Effect {
    Decisive(Action),
    Points(Arc<str>, f64),
    Ignored,
}

/// Patterns and what they do, in their order.
#[derive(Debug)]
pub(super) struct Signatures {
    patterns: Vec<(Glob, Effect)>,
    virus: Action,
}

impl Signatures {
    /// Those that the admin wrote, checked, and the shipped ones behind them.
    pub(super) fn check(options: &Options, findings: &mut Findings<'_>) -> Signatures {
        let virus = options.virus_action.action();
        let mut patterns = Vec::new();
        let mut seen = HashSet::new();
        let mut all_fit = false;
        for written in &options.signatures {
            let effect = effect(written, virus, findings);
            let glob = match Glob::read(&written.pattern.value) {
                Ok(glob) => glob,
                Err(why) => {
                    findings.wrong(&written.pattern, format!("not a pattern: {why}"));
                    continue;
                }
            };
            if let Some((_, reason)) = UNSCANNED
                .iter()
                .find(|(b, _)| glob.beginning().starts_with(b))
            {
                findings.wrong_with_help(
                    &written.pattern,
                    "such a name says that the message was not scanned",
                    format!("on_failure.{reason} decides what becomes of it"),
                );
            } else if all_fit {
                findings.wrong(
                    &written.pattern,
                    "a pattern before this one fits every name",
                );
            } else if !seen.insert(glob.clone()) {
                findings.wrong(&written.pattern, "this pattern stands twice");
            }
            all_fit |= glob.fits_all();
            patterns.extend(effect.map(|effect| (glob, effect)));
        }
        for (pattern, treatment) in SIGNATURES {
            let effect = match treatment {
                Treatment::Virus => Effect::Decisive(virus),
                Treatment::Points(rule, points) => Effect::Points((*rule).into(), *points),
            };
            // That each can be read is held by a test.
            patterns.extend(Glob::read(pattern).map(|glob| (glob, effect)));
        }
        Signatures { patterns, virus }
    }

    /// The hit for a signature.
    pub(super) fn hit(&self, name: &str) -> Hit {
        let found = self.patterns.iter().find(|(glob, _)| glob.fits(name));
        match found.map(|(_, effect)| effect) {
            None => Hit::new(VIRUS, 0.0, name).decisive(self.virus),
            Some(Effect::Decisive(action)) => Hit::new(VIRUS, 0.0, name).decisive(*action),
            Some(Effect::Points(rule, points)) => Hit::new(Arc::clone(rule), *points, name),
            Some(Effect::Ignored) => Hit::new(IGNORED, 0.0, name),
        }
    }
}

fn effect(
    written: &SignatureOptions,
    virus: Action,
    findings: &mut Findings<'_>,
) -> Option<Effect> {
    let effect = match (&written.score, written.action) {
        (Some(score), None) => {
            let rule = match &written.rule {
                Some(rule) if !is_rule(&rule.value) => {
                    let what = "the id of such a hit is CLAMAV_ and then capital letters, digits and _, at most 64 bytes";
                    findings.wrong(rule, what);
                    SIGNATURE
                }
                Some(rule) => &rule.value,
                None => SIGNATURE,
            };
            if !(score.value > 0.0 && score.value <= POINTS) {
                findings.wrong_with_help(
                    score,
                    "points of a signature are more than 0 and at most 100",
                    "write `action: ignore` for one that is not to count",
                );
            }
            return Some(Effect::Points(rule.into(), score.value));
        }
        (None, Some(SignatureAction::Virus)) => Effect::Decisive(virus),
        (None, Some(SignatureAction::Reject)) => Effect::Decisive(Action::Reject),
        (None, Some(SignatureAction::Quarantine)) => Effect::Decisive(Action::Quarantine),
        (None, Some(SignatureAction::Discard)) => Effect::Decisive(Action::Discard),
        (None, Some(SignatureAction::Ignore)) => Effect::Ignored,
        (None, None) | (Some(_), Some(_)) => {
            findings.wrong_with_help(
                &written.pattern,
                "one of `score` and `action` belongs to a pattern",
                "score: 3, or action: virus, reject, quarantine, discard or ignore",
            );
            return None;
        }
    };
    if let Some(rule) = &written.rule {
        findings.wrong(rule, "only a hit with points has an id of its own");
    }
    Some(effect)
}

fn is_rule(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
    text.len() <= 64
        && text
            .strip_prefix("CLAMAV_")
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(allowed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Source;

    fn shipped() -> Signatures {
        let source = Source::new("mailweir.yaml", "");
        Signatures::check(&Options::default(), &mut Findings::new(&source))
    }

    #[test]
    fn every_shipped_pattern_is_one_and_can_be_reached() {
        let signatures = shipped();
        assert_eq!(signatures.patterns.len(), SIGNATURES.len());
        for (place, (pattern, _)) in SIGNATURES.iter().enumerate() {
            let name = pattern.replace('*', ".x").replace('?', "_");
            let first = signatures.patterns.iter().position(|(g, _)| g.fits(&name));
            assert_eq!(first, Some(place), "{pattern}");
        }
        for (_, treatment) in SIGNATURES {
            if let Treatment::Points(rule, points) = treatment {
                assert!(is_rule(rule) && *points > 0.0);
            }
        }
    }

    #[test]
    fn names_in_the_wild_are_told_apart() {
        let signatures = shipped();
        for (name, rule) in [
            ("Eicar-Test-Signature", "VIRUS"),
            ("Win.Trojan.SpamBot-12", "VIRUS"),
            ("Win.Test.EICAR_HDB-1", "VIRUS"),
            ("PUA.Win.Packer.Upx-4", "CLAMAV_PUA"),
            (
                "Heuristics.Phishing.Email.SpoofedDomain",
                "CLAMAV_HEURISTIC",
            ),
            ("Heuristics.OLE2.ContainsMacros.VBA", "CLAMAV_HEURISTIC"),
            ("Heuristics.Exploit.CVE-2015-2545-4", "VIRUS"),
            ("Sanesecurity.Phishing.Bank.123.UNOFFICIAL", "CLAMAV_SPAM"),
            ("Sanesecurity_PhishBar_7.UNOFFICIAL", "CLAMAV_SPAM"),
            ("Sanesecurity.Malware.26453.UNOFFICIAL", "VIRUS"),
            ("SecuriteInfo.com.Spam-1.UNOFFICIAL", "CLAMAV_SPAM"),
            ("SecuriteInfo.com.Trojan.A.UNOFFICIAL", "VIRUS"),
            ("winnow.phish.ts.bank.UNOFFICIAL", "CLAMAV_SPAM"),
            ("winnow_spam_complete.UNOFFICIAL", "CLAMAV_SPAM"),
            ("winnow.malware.1.UNOFFICIAL", "VIRUS"),
            ("Email.Phishing.VOF1-6314119-0", "CLAMAV_SPAM"),
            ("Porcupine.Junk.123.UNOFFICIAL", "CLAMAV_SPAM"),
            ("{HEX}php.cmdshell.1.UNOFFICIAL", "VIRUS"),
        ] {
            let hit = signatures.hit(name);
            assert_eq!((&*hit.rule, &*hit.evidence), (rule, name));
            let virus = rule == "VIRUS";
            assert_eq!(hit.decisive.is_some(), virus, "{name}");
            assert_eq!(hit.score > 0.0, !virus, "{name}");
        }
    }
}
