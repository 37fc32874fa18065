//! Options that hold for the life of the daemon: a reload takes all others.
//!
//! Configurations are compared as they are written, so that a change is named by its key, whatever is made of its value.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{Config, Source, parse_yaml};

/// Keys, with all below them, whose changes take a restart.
const FIXED: [&str; 9] = [
    "data_dir",
    "events",
    "http",
    "limits.message",
    "limits.total",
    "log",
    "milter",
    "quarantine.path",
    "scanners",
];

impl Config {
    /// The keys whose values are not those of `started`, the configuration that the daemon was started with, although they
    /// hold until it ends: `milter.connections`. In order.
    pub fn waiting_for_restart(&self, started: &Config) -> Vec<String> {
        let mut found = Vec::new();
        let (then, now) = (written(&started.source), written(&self.source));
        compare("", Some(&then), Some(&now), &mut found);
        found.retain(|key| match key.as_str() {
            // A console that runs says of itself what has to wait.
            "console.listen" => started.console.is_none() && self.console.is_some(),
            // What the command line says wins over the file.
            "data_dir" => self.data_dir != started.data_dir,
            "http.listen" => self.http != started.http,
            "milter.listen" => self.listen != started.listen,
            key => is_fixed(key),
        });
        found
    }
}

fn is_fixed(key: &str) -> bool {
    FIXED.iter().any(|fixed| {
        let below = key.strip_prefix(fixed);
        below.is_some_and(|below| below.is_empty() || below.starts_with('.'))
    })
}

/// The file as it is written; an empty map where nothing is.
fn written(source: &Source) -> Value {
    match parse_yaml(source) {
        Ok(Value::Object(map)) => Value::Object(map),
        _ => Value::Object(Map::new()),
    }
}

/// Finds the keys below `key` whose values differ. A map that is left out is an empty one.
fn compare(key: &str, then: Option<&Value>, now: Option<&Value>, found: &mut Vec<String>) {
    let nothing = Map::new();
    match (map(then, &nothing), map(now, &nothing)) {
        _ if then == now => {}
        (Some(then), Some(now)) => {
            let keys: BTreeSet<&String> = then.keys().chain(now.keys()).collect();
            for below in keys {
                let whole = match key {
                    "" => below.clone(),
                    key => format!("{key}.{below}"),
                };
                compare(&whole, then.get(below), now.get(below), found);
            }
        }
        _ => found.push(key.to_owned()),
    }
}

fn map<'a>(
    value: Option<&'a Value>,
    nothing: &'a Map<String, Value>,
) -> Option<&'a Map<String, Value>> {
    match value {
        None => Some(nothing),
        Some(value) => value.as_object(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::Overrides;
    use super::*;

    fn read(text: &str, overrides: &Overrides) -> Config {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mailweir.yaml");
        std::fs::write(&path, text).unwrap();
        let config = Config::load(Some(&path), overrides).unwrap();
        Config {
            data_dir: config.file.data_dir.clone(),
            ..config
        }
    }

    fn waiting(then: &str, now: &str) -> Vec<String> {
        let none = Overrides::default();
        read(now, &none).waiting_for_restart(&read(then, &none))
    }

    #[test]
    fn what_takes_a_restart_is_named_by_its_key_and_nothing_else_is() {
        let none: [&str; 0] = [];
        let then = "milter: { connections: 5, listen: ['127.0.0.1:1'] }\nquarantine: { retention: { age: 3d } }\n";
        assert_eq!(waiting(then, then), none);
        assert_eq!(waiting("", "# nothing\n"), none);
        let now = "limits: { message: 1MiB, urls: 5 }\nquarantine: { path: there, retention: { age: 4d } }\n\
            history: { keep: 2d }\nlog: { level: debug }\nmilter:\n  connections: 6\n  listen: ['127.0.0.1:1']\n";
        assert_eq!(
            waiting(then, now),
            [
                "limits.message",
                "log.level",
                "milter.connections",
                "quarantine.path"
            ]
        );
        // That it is left out now is a change, too; that it was the default is none.
        assert_eq!(waiting(then, ""), ["milter.connections", "milter.listen"]);
        assert_eq!(waiting("", "milter: { listen: ['127.0.0.1:8895'] }"), none);
        assert_eq!(waiting("", "http: { listen: null }"), ["http.listen"]);
    }

    #[test]
    fn what_the_command_line_says_does_not_change() {
        let overrides = Overrides {
            milter: Some("127.0.0.1:7".parse().unwrap()),
            http: Some("127.0.0.1:0".parse().unwrap()),
            data_dir: Some(PathBuf::from("/x")),
        };
        let then = read("data_dir: /a\n", &overrides);
        let now = read(
            "data_dir: /b\nhttp: { listen: null }\nmilter: { listen: ['127.0.0.1:3'], drain: 1s }\n",
            &overrides,
        );
        let both = |config: Config| Config {
            data_dir: PathBuf::from("/x"),
            ..config
        };
        let waiting = both(now).waiting_for_restart(&both(then));
        assert_eq!(waiting, ["milter.drain"]);
    }
}
