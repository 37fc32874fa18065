//! What listings in a list count, by the codes that it answers with, checked.

use std::net::Ipv4Addr;
use std::sync::Arc;

use serde_saphyr::Spanned;

use super::super::grade::{Code, Grade, Pattern};
use super::super::zone_options::{CodeOptions, Decisive, ZoneOptions};
use super::ZoneChecker;

/// Longest id of a hit, bytes.
const ID_BYTES: usize = 64;

impl ZoneChecker<'_, '_> {
    pub(super) fn otherwise(&mut self, written: &ZoneOptions, name: &str) -> Option<Grade> {
        let Some(score) = &written.score else {
            let without = |key| format!("`{key}` without `score`");
            let help = "give the zone a `score` (0 is allowed)";
            if let Some(decisive) = &written.decisive {
                self.findings
                    .wrong_with_help(decisive, without("decisive"), help);
            }
            if let Some(id) = &written.id {
                self.findings.wrong_with_help(id, without("id"), help);
            }
            if let Some(exempt) = &written.exempt {
                self.findings
                    .wrong_with_help(exempt, without("exempt"), help);
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
        let (decisive, exempt) = (written.decisive.as_ref(), written.exempt.as_ref());
        Some(self.grade(&id, score, decisive, exempt, written.allow))
    }

    fn grade(
        &mut self,
        id: &str,
        score: &Spanned<f64>,
        decisive: Option<&Spanned<Decisive>>,
        exempt: Option<&Spanned<bool>>,
        allow: bool,
    ) -> Grade {
        if !score.value.is_finite() {
            self.findings.wrong(score, "not a number of points");
        } else if allow && score.value > 0.0 {
            self.findings
                .wrong(score, "a listing in an allow list counts 0 or less");
        }
        if let Some(decisive) = decisive
            && (decisive.value == Decisive::Deliver) != allow
        {
            let why = match allow {
                true => "an allow list settles on `deliver` alone",
                false => "only an allow list (`allow: true`) settles on `deliver`",
            };
            self.findings.wrong(decisive, why);
        }
        if let Some(exempt) = exempt.filter(|e| e.value && !allow) {
            self.findings
                .wrong(exempt, "only an allow list (`allow: true`) exempts");
        }
        Grade {
            id: Arc::from(id),
            score: score.value,
            decisive: decisive.map(|d| d.value.action()),
            exempt: exempt.is_some_and(|e| e.value),
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

    pub(super) fn code(&mut self, written: &CodeOptions, allow: bool) -> Option<Code> {
        self.id(&written.id, &written.id.value);
        let grade = self.grade(
            &written.id.value,
            &written.score,
            written.decisive.as_ref(),
            written.exempt.as_ref(),
            allow,
        );
        let patterns = match (&written.codes, &written.mask) {
            (Some(codes), None) => {
                if codes.value.is_empty() {
                    self.findings.wrong(codes, "no code is given");
                }
                codes.value.iter().filter_map(|c| self.pattern(c)).collect()
            }
            (None, Some(mask)) => {
                if mask.value == 0 || mask.value > 0x00ff_ffff {
                    self.findings.wrong(
                        mask,
                        "a mask has bits of the last three octets: 0x1 to 0xffffff",
                    );
                }
                vec![Pattern::Mask(mask.value)]
            }
            _ => {
                self.findings
                    .wrong(&written.id, "this entry needs either `codes` or `mask`");
                return None;
            }
        };
        Some(Code { patterns, grade })
    }

    pub(super) fn pattern(&mut self, written: &Spanned<String>) -> Option<Pattern> {
        let text = written.value.trim();
        if text.contains('*') {
            let pattern = octets(text);
            if pattern.is_none() {
                self.findings.wrong_with_help(
                    written,
                    "not a code of a list",
                    "write 127.0.*.3: four octets, the first 127, `*` for any number",
                );
            }
            return pattern;
        }
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
        Some(Pattern::Range(first..=last))
    }
}

fn octets(text: &str) -> Option<Pattern> {
    let octets: Vec<Option<u8>> = text
        .split('.')
        .map(|octet| match octet {
            "*" => Some(None),
            number => number.parse().ok().map(Some),
        })
        .collect::<Option<_>>()?;
    let octets: [Option<u8>; 4] = octets.try_into().ok()?;
    (octets.first() == Some(&Some(127))).then_some(Pattern::Octets(octets))
}

fn default_id(name: &str) -> String {
    let upper = name.bytes().map(|b| match b.to_ascii_uppercase() {
        b @ (b'A'..=b'Z' | b'0'..=b'9') => char::from(b),
        _ => '_',
    });
    "DNSBL_".chars().chain(upper).collect()
}
