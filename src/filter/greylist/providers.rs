//! Senders that are not put off: large providers whose second attempt comes from another network, and whoever the admin
//! adds. A name counts only where it is proven: as the name of the client that the MTA has verified, or by SPF or DKIM.

use std::collections::HashSet;
use std::path::Path;

use super::options::Options;
use crate::config::Findings;
use crate::dns::domain;

/// The list that comes with mailweir.
const SHIPPED: &str = include_str!("large_senders.txt");
/// Longest list, bytes.
const FILE_BYTES: u64 = 4 << 20;

/// Names, each with all below it.
#[derive(Debug, Default)]
pub(super) struct Providers(HashSet<String>);

impl Providers {
    /// The lists that `options` ask for.
    pub(super) fn check(options: &Options, base: &Path, findings: &mut Findings<'_>) -> Providers {
        let mut names = HashSet::new();
        if options.large_senders {
            names.extend(lines(SHIPPED).filter_map(|(_, line)| domain::name(line)));
        }
        for entry in &options.exempt {
            match domain::name(&entry.value) {
                Some(name) => {
                    names.insert(name);
                }
                None => findings.wrong_with_help(
                    entry,
                    "not the name of a host or domain",
                    "write a name such as mail.example.org; all below it is meant too",
                ),
            }
        }
        if let Some(file) = &options.exempt_file {
            let path = base.join(&file.value);
            match read(&path) {
                Err(why) => findings.wrong(file, format!("cannot read {}: {why}", path.display())),
                Ok(text) => {
                    for (number, line) in lines(&text) {
                        match domain::name(line) {
                            Some(name) => {
                                names.insert(name);
                            }
                            None => findings.wrong_with_help(
                                file,
                                format!(
                                    "line {number} of {}, {line:?}, is not the name of a host or domain",
                                    path.display()
                                ),
                                "write one name a line, such as mail.example.org; # begins a comment",
                            ),
                        }
                    }
                }
            }
        }
        Providers(names)
    }

    /// Whether a proven name is one of them or below one.
    pub(super) fn holds(&self, proven: &str) -> bool {
        let Some(name) = domain::name(proven) else {
            return false;
        };
        let mut rest = name.as_str();
        loop {
            if self.0.contains(rest) {
                return true;
            }
            match rest.split_once('.') {
                Some((_, parent)) => rest = parent,
                None => return false,
            }
        }
    }
}

fn read(path: &Path) -> std::io::Result<String> {
    if std::fs::metadata(path)?.len() > FILE_BYTES {
        return Err(std::io::Error::other("it is longer than 4 MiB"));
    }
    std::fs::read_to_string(path)
}

/// Lines with something on them, comments left out, with their numbers.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().filter_map(|(number, line)| {
        let line = line.split('#').next().unwrap_or_default().trim();
        (!line.is_empty()).then_some((number + 1, line))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Source, parse_yaml};

    fn providers(yaml: &str, base: &Path) -> Result<Providers, String> {
        let source = Source::new("g.yaml", yaml);
        let options: Options = parse_yaml(&source).unwrap();
        let mut findings = Findings::new(&source);
        let providers = Providers::check(&options, base, &mut findings);
        findings.finish(providers).map_err(|p| p.to_string())
    }

    #[test]
    fn every_line_of_the_shipped_list_is_a_name_and_stands_once() {
        let names: Vec<&str> = lines(SHIPPED).map(|(_, line)| line).collect();
        let mut seen = HashSet::new();
        for name in &names {
            assert_eq!(domain::name(name).as_deref(), Some(*name));
            assert!(seen.insert(*name), "{name} twice");
        }
        assert!(names.len() > 50);
    }

    #[test]
    fn a_name_is_held_with_all_below_it_and_nothing_beside_it() {
        let here = Path::new(".");
        let shipped = providers("{}", here).unwrap();
        assert!(shipped.holds("mail-ed1-f41.google.com"));
        assert!(shipped.holds("MAIL-x.outbound.protection.outlook.com."));
        for other in ["notgoogle.com", "google.com.evil.example", "com", ""] {
            assert!(!shipped.holds(other), "{other}");
        }
        let none = providers("large_senders: false", here).unwrap();
        assert!(!none.holds("mail-ed1-f41.google.com"));
    }

    #[test]
    fn a_list_of_ones_own_is_added_and_its_faults_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("own.txt");
        std::fs::write(&file, "# partners\nMail.Partner.example # of old\n\n").unwrap();
        let own = "large_senders: false\nexempt: [Other.example]\nexempt_file: own.txt\n";
        let held = providers(own, folder.path()).unwrap();
        assert!(held.holds("a.mail.partner.example") && held.holds("other.example"));
        std::fs::write(&file, "partner.example\nnot a name\n").unwrap();
        let said = providers(own, folder.path()).unwrap_err();
        assert!(
            said.contains("g.yaml:3:14") && said.contains("line 2 of"),
            "{said}"
        );
    }
}
