//! Options checked and turned into what the filter runs with. In: [`Options`] and their file. Out:
//! [`Settings`], or every problem found, each with its place.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;
use std::time::Duration;

use ipnet::IpNet;
use serde_saphyr::Spanned;

use super::options::{CodeOptions, Decisive, Options, ZoneOptions};
use super::question::ZONE_BYTES;
use super::zone::{Code, Grade, Pattern, Zone};
use crate::config::{Findings, Problems, Source};
use crate::filter::{FailureAction, FailurePolicy};

/// Longest id of a hit, bytes.
const ID_BYTES: usize = 64;

/// Networks that no public list is asked about.
const TRUSTED: [&str; 8] = [
    "127.0.0.0/8",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
];

/// What the filter runs with.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) zones: Vec<Zone>,
    pub(super) trusted: Vec<IpNet>,
    pub(super) timeout: Duration,
    pub(super) verify_lists: bool,
    pub(super) on_failure: FailurePolicy,
}

impl Settings {
    /// Checks `options`.
    pub(super) fn check(options: &Options, source: &Source) -> Result<Settings, Problems> {
        let mut checker = Checker {
            ids: HashSet::new(),
            findings: Findings::new(source),
        };
        let settings = checker.settings(options);
        checker.findings.finish(settings)
    }
}

struct Checker<'a> {
    ids: HashSet<String>,
    findings: Findings<'a>,
}

impl Checker<'_> {
    fn settings(&mut self, options: &Options) -> Settings {
        self.moved(options);
        let mut names = HashSet::new();
        let mut zones = Vec::new();
        for written in &options.zones {
            let zone = self.zone(written);
            if !names.insert(zone.zone.clone()) {
                self.findings.wrong(&written.zone, "this zone stands twice");
            }
            zones.push(zone);
        }
        if options.timeout.value.0.is_zero() {
            self.findings
                .wrong(&options.timeout, "no look-up can be made in no time");
        }
        Settings {
            zones,
            trusted: self.trusted(options),
            timeout: options.timeout.value.0,
            verify_lists: options.verify_lists,
            on_failure: options.on_failure.over(FailureAction::Deliver),
        }
    }

    fn moved(&mut self, options: &Options) {
        for (key, written) in [
            ("resolvers", &options.resolvers),
            ("attempts", &options.attempts),
            ("cache_entries", &options.cache_entries),
            ("cache_min_ttl", &options.cache_min_ttl),
            ("cache_max_ttl", &options.cache_max_ttl),
            ("queries_in_flight", &options.queries_in_flight),
        ] {
            if let Some(written) = written {
                self.findings.wrong_with_help(
                    written,
                    format!("`dnsbl.{key}` is `dns.{key}` now: all filters share one resolver"),
                    format!("move the key into a section `dns` at the top of the file:\ndns:\n  {key}: ..."),
                );
            }
        }
    }

    fn zone(&mut self, written: &ZoneOptions) -> Zone {
        let zone = written
            .zone
            .value
            .trim_end_matches('.')
            .to_ascii_lowercase();
        if let Err(why) = zone_name(&zone) {
            self.findings.wrong_with_help(
                &written.zone,
                format!("not the zone of a list: {why}"),
                "write the zone as its operator does, such as bl.example.org",
            );
        }
        let name = match &written.name {
            Some(name) => {
                if let Err(why) = zone_name(&name.value) {
                    self.findings
                        .wrong(name, format!("not a name for a list: {why}"));
                }
                name.value.clone()
            }
            None => zone.clone(),
        };
        let otherwise = self.otherwise(written, &name);
        if otherwise.is_none() && written.codes.is_empty() {
            self.findings.wrong_with_help(
                &written.zone,
                "a listing in this zone would count for nothing",
                "give it a `score` (0 is allowed), or `codes`",
            );
        }
        let codes = written.codes.iter().filter_map(|c| self.code(c)).collect();
        Zone {
            zone,
            name,
            ipv6: written.ipv6,
            otherwise,
            codes,
        }
    }

    fn otherwise(&mut self, written: &ZoneOptions, name: &str) -> Option<Grade> {
        let Some(score) = &written.score else {
            if let Some(decisive) = &written.decisive {
                self.findings.wrong_with_help(
                    decisive,
                    "`decisive` without `score`",
                    "give the zone a `score` (0 is allowed)",
                );
            }
            if let Some(id) = &written.id {
                self.findings.wrong_with_help(
                    id,
                    "`id` without `score`",
                    "give the zone a `score` (0 is allowed)",
                );
            }
            return None;
        };
        let id = match &written.id {
            Some(id) => {
                self.id(id, &id.value);
                id.value.clone()
            }
            None => {
                let id = default_id(name);
                self.id(&written.zone, &id);
                id
            }
        };
        Some(self.grade(&id, score, written.decisive.as_ref()))
    }

    fn grade(
        &mut self,
        id: &str,
        score: &Spanned<f64>,
        decisive: Option<&Spanned<Decisive>>,
    ) -> Grade {
        if !score.value.is_finite() {
            self.findings.wrong(score, "not a number of points");
        }
        Grade {
            id: id.into(),
            score: score.value,
            decisive: decisive.map(|d| d.value.action()),
        }
    }

    fn id<T>(&mut self, at: &Spanned<T>, id: &str) {
        let allowed = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
        if id.is_empty() || id.len() > ID_BYTES || !id.bytes().all(allowed) {
            self.findings.wrong_with_help(
                at,
                format!("`{id}` cannot be the id of a hit"),
                "an id has 1 to 64 of A-Z, 0-9 and _; give `id`",
            );
        } else if !self.ids.insert(id.to_owned()) {
            self.findings
                .wrong(at, format!("the id `{id}` stands twice"));
        }
    }

    fn code(&mut self, written: &CodeOptions) -> Option<Code> {
        self.id(&written.id, &written.id.value);
        let grade = self.grade(&written.id.value, &written.score, written.decisive.as_ref());
        let pattern = match (&written.codes, &written.mask) {
            (Some(codes), None) => {
                if codes.value.is_empty() {
                    self.findings.wrong(codes, "no code is given");
                }
                Pattern::Ranges(codes.value.iter().filter_map(|c| self.range(c)).collect())
            }
            (None, Some(mask)) => {
                if mask.value == 0 || mask.value > 0x00ff_ffff {
                    self.findings.wrong(
                        mask,
                        "a mask has bits of the last three octets: 0x1 to 0xffffff",
                    );
                }
                Pattern::Mask(mask.value)
            }
            _ => {
                self.findings
                    .wrong(&written.id, "this entry needs either `codes` or `mask`");
                return None;
            }
        };
        Some(Code { pattern, grade })
    }

    fn range(&mut self, written: &Spanned<String>) -> Option<RangeInclusive<Ipv4Addr>> {
        let text = written.value.as_str();
        let (first, last) = text.split_once("..").unwrap_or((text, text));
        let (Ok(first), Ok(last)) = (
            first.trim().parse::<Ipv4Addr>(),
            last.trim().parse::<Ipv4Addr>(),
        ) else {
            self.findings.wrong_with_help(
                written,
                "not a code of a list",
                "write 127.0.0.2, or 127.0.0.4..127.0.0.7 for a range with both ends",
            );
            return None;
        };
        let reserved = |a: Ipv4Addr| a.to_bits() >= Ipv4Addr::new(127, 255, 255, 0).to_bits();
        if !first.is_loopback() || !last.is_loopback() {
            self.findings
                .wrong(written, "codes of lists lie in 127.0.0.0/8");
        } else if first > last {
            self.findings
                .wrong(written, "the range ends before it begins");
        } else if reserved(last) {
            self.findings.wrong(
                written,
                "127.255.255.0/24 tells of errors and is never a listing",
            );
        } else if last == Ipv4Addr::LOCALHOST {
            self.findings
                .wrong(written, "127.0.0.1 is never a listing (RFC 5782)");
        }
        Some(first..=last)
    }

    fn trusted(&mut self, options: &Options) -> Vec<IpNet> {
        let Some(written) = &options.trusted_networks else {
            return TRUSTED.iter().filter_map(|n| n.parse().ok()).collect();
        };
        let mut networks = Vec::new();
        for entry in written {
            let text = entry.value.trim();
            match text
                .parse::<IpNet>()
                .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
            {
                Ok(network) if network.trunc() != network => self.findings.wrong_with_help(
                    entry,
                    "this network has bits beyond its prefix",
                    format!("write {}", network.trunc()),
                ),
                Ok(network) => networks.push(network),
                Err(_) => self.findings.wrong_with_help(
                    entry,
                    "not a network",
                    "write an address or a block such as 192.0.2.0/24 or 2001:db8::/32",
                ),
            }
        }
        networks
    }
}

fn default_id(name: &str) -> String {
    let upper = name.bytes().map(|b| match b.to_ascii_uppercase() {
        b @ (b'A'..=b'Z' | b'0'..=b'9') => char::from(b),
        _ => '_',
    });
    "DNSBL_".chars().chain(upper).collect()
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
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if label.is_empty() || label.len() > 63 {
            return Err("each label has 1 to 63 characters");
        }
        if !label.bytes().all(allowed) || label.starts_with('-') || label.ends_with('-') {
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
