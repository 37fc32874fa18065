//! All that the source files say: the last word on each rule wins, as in SpamAssassin.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::condition::World;
use super::line::{self, Line, lines};
use super::report::{Left, Reason};
use super::rule::{HeaderTest, Place, Test, TextPlace};
use super::tag::Tags;

/// What the files say.
#[derive(Debug, Default)]
pub(super) struct Settings {
    pub(super) files: Vec<PathBuf>,
    /// Rules by name, in the order of their names.
    pub(super) rules: BTreeMap<String, (Place, Test)>,
    pub(super) scores: HashMap<String, f64>,
    pub(super) descriptions: HashMap<String, String>,
    pub(super) tflags: HashMap<String, BTreeSet<String>>,
    pub(super) replaced: HashSet<String>,
    pub(super) tags: Tags,
    /// Lines that say something else, and why they were left.
    pub(super) left: Vec<Left>,
    world: World,
    /// The files that are being read, each included by the one before it.
    open: Vec<PathBuf>,
}

/// Settings without meaning for rules of mailweir: nothing is lost with them.
const WITHOUT_MEANING: &[&str] = &[
    "test",
    "reuse",
    "testrules",
    "describe",
    "enable_compat",
    "loadplugin",
    "tryplugin",
];

impl Settings {
    /// Reads all files in their order.
    pub(super) fn read(texts: &[(PathBuf, String)]) -> Settings {
        let mut settings = Settings::default();
        for (path, text) in texts {
            settings.file(path, text);
        }
        settings
    }

    fn file(&mut self, path: &Path, text: &str) {
        self.open.push(own_name(path));
        self.lines_of(path, text);
        self.open.pop();
    }

    fn lines_of(&mut self, path: &Path, text: &str) {
        self.files.push(path.to_path_buf());
        let file = self.files.len() - 1;
        // Whether each open `if` is read at present.
        let mut open: Vec<bool> = Vec::new();
        for line in lines(text) {
            let place = Place {
                file,
                line: line.number,
            };
            let reading = open.iter().all(|o| *o);
            match line.key.as_str() {
                "if" | "ifplugin" => {
                    let holds = match line.key.as_str() {
                        "if" => self.world.holds(&line.value),
                        _ => self.world.holds(&format!("plugin({})", line.value)),
                    };
                    open.push(holds.unwrap_or_else(|why| {
                        self.leave(place, &line, Reason::Syntax(why));
                        false
                    }));
                }
                "else" => match open.last_mut() {
                    Some(last) => *last = !*last,
                    None => self.leave(place, &line, Reason::Syntax("no `if` before it".into())),
                },
                "endif" => {
                    if open.pop().is_none() {
                        self.leave(place, &line, Reason::Syntax("no `if` before it".into()));
                    }
                }
                _ if !reading => {}
                "include" => self.include(path, place, &line),
                "require_version" => {
                    let version = line.value.as_str();
                    let ours = version == "@@VERSION@@" || version.starts_with("4.0");
                    if !ours {
                        self.leave(place, &line, Reason::Version);
                        return;
                    }
                }
                _ => self.line(place, &line),
            }
        }
        if !open.is_empty() {
            let end = Line {
                number: text.lines().count(),
                key: "if".to_owned(),
                value: String::new(),
            };
            let place = Place {
                file,
                line: end.number,
            };
            self.leave(place, &end, Reason::Syntax("an `if` has no `endif`".into()));
        }
    }

    fn include(&mut self, from: &Path, place: Place, line: &Line) {
        let path = from.parent().unwrap_or(Path::new(".")).join(&line.value);
        if self.open.contains(&own_name(&path)) {
            self.leave(
                place,
                line,
                Reason::Syntax("files include each other without end".into()),
            );
            return;
        }
        match line::read(&path) {
            Ok(text) => self.file(&path, &text),
            Err(problem) => self.leave(place, line, Reason::Syntax(problem.message)),
        }
    }

    fn leave(&mut self, place: Place, line: &Line, reason: Reason) {
        self.left.push(Left {
            key: line.key.clone(),
            value: line.value.clone(),
            place,
            reason,
        });
    }

    fn line(&mut self, place: Place, line: &Line) {
        let (name, rest) = line
            .value
            .split_once(line::is_space)
            .map_or((line.value.as_str(), ""), |(n, r)| {
                (n, r.trim_start_matches(line::is_space))
            });
        match line.key.as_str() {
            "body" | "rawbody" | "uri" | "full" | "header" | "mimeheader" | "meta" => {
                self.rule(place, line, name, rest);
            }
            "score" => self.score(place, line, name, rest),
            "describe" => {
                self.descriptions.insert(name.to_owned(), rest.to_owned());
            }
            "tflags" => {
                let flags = rest.split_ascii_whitespace().map(str::to_owned).collect();
                self.tflags.insert(name.to_owned(), flags);
            }
            "priority" => {}
            "replace_rules" => self
                .replaced
                .extend(line.value.split_ascii_whitespace().map(str::to_owned)),
            "replace_start" => self.tags.start = line.value.clone(),
            "replace_end" => self.tags.end = line.value.clone(),
            "replace_tag" => insert(&mut self.tags.tag, name, rest),
            "replace_pre" => insert(&mut self.tags.pre, name, rest),
            "replace_inter" => insert(&mut self.tags.inter, name, rest),
            "replace_post" => insert(&mut self.tags.post, name, rest),
            "loadplugin" | "tryplugin" => {
                self.world.plugins.insert(name.to_owned());
            }
            key if WITHOUT_MEANING.contains(&key) => {}
            "uri_detail" | "askdns" | "header_test" | "urirhsbl" | "urirhssub" | "uridnsbl"
            | "uridnssub" | "urinsrhsbl" | "urinsrhssub" | "urifullnsrhsbl" | "urifullnsrhssub" => {
                let why = format!("rules of the kind `{}` are not known here", line.key);
                self.define(place, name, Test::Unknown(why));
            }
            _ => self.leave(place, line, Reason::Setting),
        }
    }

    fn rule(&mut self, place: Place, line: &Line, name: &str, rest: &str) {
        let valid = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && name.len() <= 100;
        if !valid || rest.is_empty() {
            self.leave(
                place,
                line,
                Reason::Syntax("not a rule: a name and a test".into()),
            );
            return;
        }
        let eval = rest
            .strip_prefix("eval:")
            .or_else(|| rest.strip_prefix("rbleval:"));
        let test = match (line.key.as_str(), eval) {
            ("meta", _) => Test::Meta(rest.to_owned()),
            (_, Some(call)) => Test::Eval(call.trim().to_owned()),
            ("header", _) => match HeaderTest::read(rest, false) {
                Ok(test) => Test::Header(test),
                Err(why) => Test::Unknown(why),
            },
            ("mimeheader", _) => match HeaderTest::read(rest, true) {
                Ok(test) => Test::Header(test),
                Err(why) => Test::Unknown(why),
            },
            ("body", _) => Test::Text(TextPlace::Body, rest.to_owned()),
            ("rawbody", _) => Test::Text(TextPlace::RawBody, rest.to_owned()),
            ("uri", _) => Test::Text(TextPlace::Uri, rest.to_owned()),
            _ => Test::Text(TextPlace::Full, rest.to_owned()),
        };
        self.define(place, name, test);
    }

    fn define(&mut self, place: Place, name: &str, test: Test) {
        self.rules.insert(name.to_owned(), (place, test));
    }

    /// The first of one or four scores: without Bayes, without network.
    fn score(&mut self, place: Place, line: &Line, name: &str, rest: &str) {
        let first = rest.split_ascii_whitespace().next().unwrap_or_default();
        let relative = first.strip_prefix('(').and_then(|f| f.strip_suffix(')'));
        let number = relative.unwrap_or(first).parse::<f64>().ok();
        let Some(number) = number.filter(|n| n.is_finite()) else {
            self.leave(place, line, Reason::Syntax("not a score".into()));
            return;
        };
        let before = match relative {
            Some(_) => self.scores.get(name).copied().unwrap_or_default(),
            None => 0.0,
        };
        self.scores.insert(name.to_owned(), before + number);
    }

    /// The points of a rule.
    pub(super) fn points(&self, name: &str) -> f64 {
        if let Some(score) = self.scores.get(name) {
            return *score;
        }
        let own = if name.starts_with("T_") { 0.01 } else { 1.0 };
        match self.has_flag(name, "nice") {
            true => -own,
            false => own,
        }
    }

    /// Whether a rule has that flag.
    pub(super) fn has_flag(&self, name: &str, flag: &str) -> bool {
        self.tflags.get(name).is_some_and(|f| f.contains(flag))
    }

    /// The value of a flag such as `maxhits=3`.
    pub(super) fn flag_value(&self, name: &str, flag: &str) -> Option<usize> {
        let flags = self.tflags.get(name)?;
        flags
            .iter()
            .find_map(|f| f.strip_prefix(flag)?.strip_prefix('='))
            .and_then(|v| v.parse().ok())
    }
}

/// The path of a file without links and detours.
fn own_name(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_path_buf())
}

fn insert(map: &mut HashMap<String, String>, name: &str, value: &str) {
    map.insert(name.to_owned(), value.to_owned());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Settings {
        Settings::read(&[(PathBuf::from("a.cf"), text.to_owned())])
    }

    #[test]
    fn the_last_word_wins_and_conditions_are_followed() {
        let settings = read(
            "body A /x/\nbody A /y/\nscore A 1 2 3 4\nscore A (0.5)\nif (version < 4)\nbody B /b/\nelse\nbody C /c/\nifplugin No::Such\nbody D /d/\nendif\nendif\ntflags C multiple maxhits=3 nice\n",
        );
        assert_eq!(settings.rules.keys().collect::<Vec<_>>(), ["A", "C"]);
        assert_eq!(
            settings.rules["A"].1,
            Test::Text(TextPlace::Body, "/y/".into())
        );
        assert_eq!((settings.points("A"), settings.points("C")), (1.5, -1.0));
        assert_eq!(settings.flag_value("C", "maxhits"), Some(3));
        assert!(settings.left.is_empty());
    }

    #[test]
    fn files_that_include_each_other_are_read_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let text = "body A /x/\ninclude b.cf\ninclude ./a.cf\n".to_owned();
        std::fs::write(path("a.cf"), &text).unwrap();
        std::fs::write(path("b.cf"), "body B /x/\ninclude a.cf\ninclude b.cf\n").unwrap();
        let settings = Settings::read(&[(path("a.cf"), text)]);
        assert_eq!(settings.rules.keys().collect::<Vec<_>>(), ["A", "B"]);
        assert_eq!((settings.files.len(), settings.left.len()), (2, 3));
    }

    #[test]
    fn what_is_not_understood_is_kept_for_the_report() {
        let settings = read(
            "body\nscore A x\nendif\nif version >\ntrusted_networks 1\nendif\nrequire_version 3\nbody X /x/\n",
        );
        assert_eq!(settings.left.len(), 5);
        assert!(settings.rules.is_empty());
    }
}
