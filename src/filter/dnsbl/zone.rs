//! A list as it is run: its zone, and what its answers mean.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::filter::{Action, Hit};

/// One list.
#[derive(Debug)]
pub(super) struct Zone {
    /// The zone asked, lower case, without a final dot.
    pub(super) zone: String,
    /// What evidence and metrics call it.
    pub(super) name: String,
    /// Whether it is asked for IPv6 clients.
    pub(super) ipv6: bool,
    /// The hit of a listing that no entry of `codes` takes.
    pub(super) otherwise: Option<Grade>,
    /// What single answers mean, in the order of the configuration.
    pub(super) codes: Vec<Code>,
}

/// What a hit says.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Grade {
    pub(super) id: Arc<str>,
    pub(super) score: f64,
    pub(super) decisive: Option<Action>,
}

/// Some answers and their hit.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Code {
    pub(super) pattern: Pattern,
    pub(super) grade: Grade,
}

/// Which answers.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Pattern {
    /// Those in one of the ranges.
    Ranges(Vec<RangeInclusive<Ipv4Addr>>),
    /// Those with one of these bits in the last three octets.
    Mask(u32),
}

impl Pattern {
    fn takes(&self, code: Ipv4Addr) -> bool {
        match self {
            Pattern::Ranges(ranges) => ranges.iter().any(|r| r.contains(&code)),
            Pattern::Mask(mask) => code.to_bits() & 0x00ff_ffff & mask != 0,
        }
    }
}

impl Zone {
    /// Whether one of its listings settles the fate of a message.
    pub(super) fn may_decide(&self) -> bool {
        let codes = self.codes.iter().map(|c| &c.grade);
        codes.chain(&self.otherwise).any(|g| g.decisive.is_some())
    }

    /// The hits of a client that the list knows under `codes`: one for each entry that takes a code,
    /// and one for all codes that none takes.
    pub(super) fn hits(&self, client: IpAddr, codes: &[Ipv4Addr]) -> Vec<Hit> {
        let mut hits = Vec::new();
        for entry in &self.codes {
            let taken = codes.iter().filter(|c| entry.pattern.takes(**c));
            hits.extend(self.hit(client, &entry.grade, taken));
        }
        if let Some(grade) = &self.otherwise {
            let rest = codes
                .iter()
                .filter(|c| !self.codes.iter().any(|e| e.pattern.takes(**c)));
            hits.extend(self.hit(client, grade, rest));
        }
        hits
    }

    fn hit<'a>(
        &self,
        client: IpAddr,
        grade: &Grade,
        codes: impl Iterator<Item = &'a Ipv4Addr>,
    ) -> Option<Hit> {
        let codes: Vec<String> = codes.map(Ipv4Addr::to_string).collect();
        if codes.is_empty() {
            return None;
        }
        let evidence = format!("{client} listed in {}: {}", self.name, codes.join(", "));
        let hit = Hit::new(Arc::clone(&grade.id), grade.score, evidence);
        Some(match grade.decisive {
            Some(action) => hit.decisive(action),
            None => hit,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grade(id: &str, score: f64) -> Grade {
        Grade {
            id: id.into(),
            score,
            decisive: None,
        }
    }

    fn zone(otherwise: Option<Grade>, codes: Vec<Code>) -> Zone {
        Zone {
            zone: "bl.example.org".into(),
            name: "bl.example.org".into(),
            ipv6: true,
            otherwise,
            codes,
        }
    }

    fn ids(zone: &Zone, last: &[u8]) -> Vec<String> {
        let codes: Vec<Ipv4Addr> = last.iter().map(|n| Ipv4Addr::new(127, 0, 0, *n)).collect();
        let hits = zone.hits("192.0.2.1".parse().unwrap(), &codes);
        hits.iter()
            .map(|h| format!("{} {}", h.rule, h.evidence))
            .collect()
    }

    #[test]
    fn ranges_hold_both_ends_and_the_rest_falls_to_the_zone() {
        let range = Ipv4Addr::new(127, 0, 0, 4)..=Ipv4Addr::new(127, 0, 0, 7);
        let entry = Code {
            pattern: Pattern::Ranges(vec![range]),
            grade: grade("XBL", 3.0),
        };
        let with_rest = zone(Some(grade("REST", 1.0)), vec![entry.clone()]);
        assert_eq!(
            ids(&with_rest, &[3, 4, 7, 8]),
            [
                "XBL 192.0.2.1 listed in bl.example.org: 127.0.0.4, 127.0.0.7",
                "REST 192.0.2.1 listed in bl.example.org: 127.0.0.3, 127.0.0.8",
            ]
        );
        assert!(ids(&zone(None, vec![entry]), &[3, 8]).is_empty());
    }

    #[test]
    fn each_mask_with_a_bit_of_the_answer_hits() {
        let codes = [(2, "A"), (4, "B"), (8, "C")].map(|(mask, id)| Code {
            pattern: Pattern::Mask(mask),
            grade: grade(id, 1.0),
        });
        let zone = zone(None, codes.to_vec());
        let hits = ids(&zone, &[6]);
        assert_eq!(hits.len(), 2, "{hits:?}");
        assert!(
            hits[0].starts_with("A ") && hits[1].starts_with("B "),
            "{hits:?}"
        );
    }
}
