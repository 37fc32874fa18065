//! One list of the configuration, checked.

mod grades;

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::path::Path;

use serde_saphyr::Spanned;

use super::question::ZONE_BYTES;
use super::secret::Secret;
use super::subject::{Kind, Subject, Value};
use super::zone::{OwnTest, Zone};
use super::zone_options::{
    Algorithm, Encoding, HashOptions, HopOptions, Names, TestOptions, ZoneOptions,
};
use crate::config::Findings;

/// Most values of one subject that may be asked about.
const VALUES: usize = 1000;
/// What stands for the query key in a zone.
const KEY: &str = "<key>";

/// Checks lists, and that they do not get into each other's way.
pub(super) struct ZoneChecker<'a, 'b> {
    findings: &'a mut Findings<'b>,
    base: &'a Path,
    ids: HashSet<String>,
    names: HashSet<String>,
    asked: HashMap<String, HashSet<Subject>>,
}

impl<'a, 'b> ZoneChecker<'a, 'b> {
    pub(super) fn new(findings: &'a mut Findings<'b>, base: &'a Path) -> Self {
        ZoneChecker {
            findings,
            base,
            ids: HashSet::new(),
            names: HashSet::new(),
            asked: HashMap::new(),
        }
    }

    /// All lists; those that are not enabled are checked too, and left out.
    pub(super) fn zones(mut self, written: &[ZoneOptions]) -> Vec<Zone> {
        let mut zones = Vec::new();
        for one in written {
            let zone = self.zone(one);
            if one.enabled {
                zones.push(zone);
            }
        }
        zones
    }

    fn zone(&mut self, written: &ZoneOptions) -> Zone {
        let (zone, shown, key) = self.asked_zone(written);
        let name = match &written.name {
            Some(name) => {
                if let Err(why) = zone_name(&name.value) {
                    self.findings
                        .wrong(name, format!("not a name for a list: {why}"));
                }
                name.value.clone()
            }
            None => shown,
        };
        let subjects = self.subjects(written, &zone);
        if !self.names.insert(name.clone()) {
            self.findings.wrong_with_help(
                written.name.as_ref().unwrap_or(&written.zone),
                format!("two lists are called `{name}`"),
                "give each a `name` of its own",
            );
        }
        if !written.ipv4 && !written.ipv6 && subjects.iter().all(|s| s.kind() == Kind::Address) {
            self.findings.wrong(
                &written.zone,
                "asked for neither IPv4 nor IPv6 addresses, this list is asked nothing",
            );
        }
        let otherwise = self.otherwise(written, &name);
        if otherwise.is_none() && written.codes.is_empty() {
            self.findings.wrong_with_help(
                &written.zone,
                "a listing in this zone would count for nothing",
                "give it a `score` (0 is allowed), or `codes`",
            );
        }
        let codes = written.codes.iter();
        let codes = codes.filter_map(|c| self.code(c, written.allow)).collect();
        let refusals = written.refusals.iter();
        let refusals = refusals.filter_map(|r| self.pattern(r)).collect();
        self.findings.within(&written.max, 1, VALUES, "values");
        let hash = self.hash(written, &subjects);
        let test = self.test(written.test.as_ref(), hash.is_some());
        Zone {
            zone: Secret::new(&zone),
            key,
            name,
            names: self.names_of(written, &subjects),
            hash,
            hops: self.hops(written, &subjects),
            max: written.max.value,
            ipv4: written.ipv4,
            ipv6: written.ipv6,
            otherwise,
            codes,
            refusals,
            txt: written.txt,
            test,
            required: written.required,
            subjects,
        }
    }

    /// The zone as it is asked, as it may be shown, and the key that makes the difference.
    fn asked_zone(&mut self, written: &ZoneOptions) -> (String, String, Option<Secret>) {
        let zone = written
            .zone
            .value
            .trim_end_matches('.')
            .to_ascii_lowercase();
        let shown = zone.replace(&format!("{KEY}."), "");
        if let Err(why) = zone_name(&shown) {
            self.findings.wrong_with_help(
                &written.zone,
                format!("not the zone of a list: {why}"),
                "write the zone as its operator does, such as bl.example.org",
            );
        }
        let Some(key) = self.key(written) else {
            if zone.contains(KEY) {
                self.findings.wrong_with_help(
                    &written.zone,
                    format!("`{KEY}` stands for a key, and there is none"),
                    "give `key`, or `key_file` with a file that holds it",
                );
            }
            return (zone, shown, None);
        };
        if zone.matches(&format!("{KEY}.")).count() != 1 {
            self.findings.wrong_with_help(
                &written.zone,
                "it is not said where the key stands",
                format!("write `{KEY}` once in its place, such as {KEY}.{shown}"),
            );
        }
        let full = zone.replace(KEY, &key.reveal().to_ascii_lowercase());
        if full.len() > ZONE_BYTES {
            self.findings.wrong(&written.zone, "too long with its key");
        }
        (full, shown, Some(key))
    }

    fn key(&mut self, written: &ZoneOptions) -> Option<Secret> {
        let (key, at) = match (&written.key, &written.key_file) {
            (Some(key), None) => (key.value.clone(), None),
            (None, Some(file)) => {
                let path = self.base.join(&file.value);
                match std::fs::read_to_string(&path) {
                    Ok(text) => (Secret::new(&text), Some(file)),
                    // A list that is not enabled needs no key yet.
                    Err(_) if !written.enabled => return Some(Secret::new("key")),
                    Err(e) => {
                        let why = format!("cannot read {}: {e}", path.display());
                        self.findings.wrong(file, why);
                        return Some(Secret::new("key"));
                    }
                }
            }
            (Some(_), Some(file)) => {
                self.findings
                    .wrong(file, "either `key` or `key_file`, not both");
                return None;
            }
            (None, None) => return None,
        };
        if !key.is_label() {
            let why = "a key has 1 to 63 letters, digits, hyphens and underscores";
            match (at, &written.key) {
                (Some(file), _) => self.findings.wrong(file, why),
                (None, Some(written)) => self.findings.wrong(written, why),
                (None, None) => {}
            }
            return Some(Secret::new("key"));
        }
        Some(key)
    }

    fn subjects(&mut self, written: &ZoneOptions, zone: &str) -> Vec<Subject> {
        if written.subjects.is_empty() {
            self.findings.wrong_with_help(
                &written.zone,
                "this list is asked about nothing",
                "name `subjects`, or leave them out for the address of the client",
            );
        }
        let asked = self.asked.entry(zone.to_owned()).or_default();
        let mut subjects = Vec::new();
        for subject in &written.subjects {
            if !asked.insert(subject.value) {
                let why = format!("this zone is asked about `{}` twice", subject.value.name());
                match subject.referenced == serde_saphyr::Location::UNKNOWN {
                    true => self.findings.wrong(&written.zone, why),
                    false => self.findings.wrong(subject, why),
                }
            } else {
                subjects.push(subject.value);
            }
        }
        subjects
    }

    fn names_of(&mut self, written: &ZoneOptions, subjects: &[Subject]) -> Names {
        if let Some(names) = &written.names
            && !subjects.iter().any(|s| s.kind() == Kind::Name)
        {
            self.findings
                .wrong(names, "none of the subjects of this list is a name");
        }
        written.names.as_ref().map(|n| n.value).unwrap_or_default()
    }

    fn hash(&mut self, written: &ZoneOptions, subjects: &[Subject]) -> Option<HashOptions> {
        let hashed = subjects.iter().any(|s| s.kind() == Kind::Digest);
        match (&written.hash, hashed) {
            (None, false) => None,
            (None, true) => {
                self.findings.wrong_with_help(
                    &written.zone,
                    "mail addresses and URLs are asked about by their hash",
                    "say how: `hash: { algorithm: sha1 }`",
                );
                None
            }
            (Some(hash), false) => {
                self.findings
                    .wrong(hash, "none of the subjects of this list is hashed");
                None
            }
            (Some(hash), true) => {
                let long = (hash.value.algorithm, hash.value.encoding)
                    == (Algorithm::Sha256, Encoding::Hex);
                if long {
                    self.findings.wrong_with_help(
                        hash,
                        "64 hexadecimal digits are no label of a name, which has 63 characters",
                        "write `encoding: base32`",
                    );
                }
                Some(hash.value)
            }
        }
    }

    fn hops(&mut self, written: &ZoneOptions, subjects: &[Subject]) -> HopOptions {
        let Some(hops) = &written.hops else {
            return HopOptions { first: 1, last: -1 };
        };
        let HopOptions { first, last } = hops.value;
        if !subjects.contains(&Subject::Received) {
            self.findings
                .wrong(hops, "`received` is not among the subjects of this list");
        } else if first == 0 || last == 0 {
            self.findings.wrong(
                hops,
                "hops are counted from 1, the newest, and from -1, the oldest",
            );
        } else if (first > 0) == (last > 0) && first > last {
            self.findings
                .wrong(hops, "the last hop stands before the first");
        }
        hops.value
    }

    fn test(&mut self, written: Option<&Spanned<TestOptions>>, hashed: bool) -> OwnTest {
        let Some(written) = written else {
            return OwnTest::default();
        };
        let mut value = |text: &Spanned<String>| {
            let bare = text.value.trim();
            if let Ok(address) = bare.parse::<IpAddr>() {
                return Value::Address(address);
            }
            if hashed {
                return Value::Text(bare.to_owned());
            }
            let name = bare.trim_end_matches('.').to_ascii_lowercase();
            if !name.split('.').all(is_label) {
                self.findings.wrong(text, "neither an address nor a name");
            }
            Value::Name(name)
        };
        let mut entry = |text: &Option<Option<Spanned<String>>>| {
            text.as_ref().map(|text| text.as_ref().map(&mut value))
        };
        OwnTest {
            listed: entry(&written.value.listed),
            unlisted: entry(&written.value.unlisted),
        }
    }
}

fn is_label(label: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    (1..=63).contains(&label.len())
        && label.bytes().all(allowed)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// Checks a name of labels (RFC 1035, with the underscore that some lists use), and that resolvers
/// do not answer it on their own (RFC 6761, RFC 7686).
fn zone_name(zone: &str) -> Result<(), &'static str> {
    if zone.len() > ZONE_BYTES {
        return Err("too long to ask about an IPv6 client in it");
    }
    let mut labels = 0;
    for label in zone.split('.') {
        labels += 1;
        if label.is_empty() || label.len() > 63 {
            return Err("each label has 1 to 63 characters");
        }
        if !is_label(label) {
            return Err("labels are letters, digits and hyphens");
        }
    }
    if labels < 2 {
        return Err("it has a single label");
    }
    match zone.rsplit('.').next() {
        Some("localhost" | "invalid" | "onion") => Err("no resolver asks the network about it"),
        Some(last) if last.bytes().all(|b| b.is_ascii_digit()) => Err("it is an address"),
        _ => Ok(()),
    }
}
