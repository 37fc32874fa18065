//! Where patterns without a literal can begin: one pass over a text for all patterns of a place.
//!
//! Words that are written in many ways (`v[i1!|][a@]gr[a@]`) hold no literal of three bytes, but each of the
//! first bytes of a match comes from a set. Patterns are put into 64 buckets, and a table tells for each of the
//! first bytes which buckets can have it there; the bits that are left after all of them are buckets with a
//! pattern that may begin here. Then the sets of the pattern itself are asked. It is what Hyperscan's FDR and
//! Teddy do, with sets of bytes in place of strings.

use super::machine::{Bytes, LEAD, Lead};

/// Buckets, a bit each.
const BUCKETS: usize = 64;
/// First bytes that are asked at every place; the others only where these leave something.
const FIRST: usize = 4;

/// The first bytes of patterns.
#[derive(Debug, Default)]
pub(super) struct Starts {
    /// By place within a match, then by byte: the buckets that can have it there.
    tables: Vec<[u64; 256]>,
    /// By bytes that are left in a text: buckets with a pattern that says nothing about more.
    short: Vec<u64>,
    /// Buckets with a pattern that may begin at the beginning of a text whatever the bytes.
    beginning: u64,
    /// Who seeks, and by which first bytes.
    buckets: Vec<Vec<(u32, Lead)>>,
}

/// A bucket while it is filled.
struct Bucket {
    /// All bytes that one of its patterns can have at each place.
    sets: [Bytes; LEAD],
    /// The share of the places of a text that these let pass.
    share: f64,
    leads: Vec<(u32, Lead)>,
}

fn share(sets: &[Bytes; LEAD]) -> f64 {
    sets.iter().map(Bytes::share).product()
}

impl Starts {
    /// Builds the tables for those who seek.
    pub(super) fn new(mut sought: Vec<(u32, Lead)>) -> Starts {
        if sought.is_empty() {
            return Starts::default();
        }
        // What may begin anywhere gets a bucket of its own, where it spoils no other.
        sought.sort_by(|(_, a), (_, b)| a.rarity().total_cmp(&b.rarity()));
        let mut buckets: Vec<Bucket> = Vec::new();
        for (seeker, lead) in sought {
            let sets = std::array::from_fn(|at| lead.sets().get(at).copied().unwrap_or(Bytes::ALL));
            if buckets.len() < BUCKETS {
                buckets.push(Bucket {
                    share: share(&sets),
                    sets,
                    leads: vec![(seeker, lead)],
                });
                continue;
            }
            let joined = |bucket: &Bucket| -> [Bytes; LEAD] {
                std::array::from_fn(|at| match (bucket.sets.get(at), sets.get(at)) {
                    (Some(a), Some(b)) => a.union(b),
                    _ => Bytes::ALL,
                })
            };
            let costs = buckets.iter().map(|bucket| {
                let all = (bucket.leads.len() + 1) as f64;
                share(&joined(bucket)) * all - bucket.share * (all - 1.0)
            });
            let cheapest = costs.enumerate().min_by(|(_, a), (_, b)| a.total_cmp(b));
            if let Some(bucket) = cheapest.and_then(|(number, _)| buckets.get_mut(number)) {
                bucket.sets = joined(bucket);
                bucket.share = share(&bucket.sets);
                bucket.leads.push((seeker, lead));
            }
        }
        let mut tables = vec![[0; 256]; LEAD];
        for (number, bucket) in buckets.iter().enumerate() {
            for (table, set) in tables.iter_mut().zip(&bucket.sets) {
                for byte in set.iter() {
                    if let Some(buckets) = table.get_mut(usize::from(byte)) {
                        *buckets |= 1 << number;
                    }
                }
            }
        }
        let with = |holds: &dyn Fn(&Lead) -> bool| -> u64 {
            let those = buckets.iter().enumerate();
            those
                .filter(|(_, bucket)| bucket.leads.iter().any(|(_, lead)| holds(lead)))
                .fold(0, |all, (number, _)| all | 1 << number)
        };
        Starts {
            tables,
            short: (0..LEAD)
                .map(|left| with(&|lead| lead.sets().len() <= left))
                .collect(),
            beginning: with(&Lead::may_begin_anyhow),
            buckets: buckets.into_iter().map(|bucket| bucket.leads).collect(),
        }
    }

    /// Tells of every place where someone's match may begin.
    pub(super) fn look(&self, text: &[u8], tell: &mut dyn FnMut(u32, usize)) {
        let Some((first, later)) = self.tables.split_at_checked(FIRST) else {
            return;
        };
        let [one, two, three, four] = first else {
            return;
        };
        let may = |table: &[u64; 256], byte: u8| table.get(usize::from(byte)).copied().unwrap_or(0);
        for (at, window) in text.windows(LEAD).enumerate() {
            let [a, b, c, d, rest @ ..] = window else {
                continue;
            };
            let mut left = may(one, *a) & may(two, *b) & may(three, *c) & may(four, *d);
            if left != 0 {
                for (table, byte) in later.iter().zip(rest) {
                    left &= may(table, *byte);
                }
                if left != 0 {
                    self.ask(left, text, at, tell);
                }
            }
        }
        // Short matches may begin near the end, and some at the beginning whatever the bytes.
        for at in (text.len() + 1).saturating_sub(LEAD)..text.len() {
            let ahead = text.get(at..).unwrap_or_default();
            let mut left = self.short.get(ahead.len()).copied().unwrap_or(0);
            for (table, byte) in self.tables.iter().zip(ahead) {
                left &= may(table, *byte);
            }
            self.ask(left, text, at, tell);
        }
        // What fits by its bytes as well is told twice, which does no harm.
        self.ask(self.beginning, text, 0, tell);
    }

    #[cold]
    fn ask(&self, mut left: u64, text: &[u8], at: usize, tell: &mut dyn FnMut(u32, usize)) {
        while left != 0 {
            let number = left.trailing_zeros() as usize;
            left &= left - 1;
            for (seeker, lead) in self.buckets.get(number).into_iter().flatten() {
                if lead.fits(text, at) {
                    tell(*seeker, at);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::extension::extended;
    use super::super::machine::{Machine, Program};
    use super::*;

    fn lead(pattern: &str) -> Lead {
        let extended = extended(pattern, 1 << 20, true).unwrap();
        let program = Program {
            machine: Machine::new(&extended.hir, 1 << 20).unwrap(),
            extensions: extended.extensions.into(),
        };
        program.lead()
    }

    #[test]
    fn first_bytes_are_rare_where_they_say_something() {
        assert!(lead(r"v[i1!][a@]gra").rarity() > 20.0);
        assert!(lead(r"\w+x").rarity() < 2.0);
        assert!(lead(r"(?:\A|\s)v1a").rarity() > lead(r"\s?v1a").rarity());
        assert!(lead(r"\bv1a").rarity() > lead("v1a").rarity());
        assert_eq!(lead("a?").sets().len(), 0);
    }

    proptest! {
        /// Break it by leaving the last places of a text out, or the beginning.
        #[test]
        fn every_match_begins_where_it_was_told(
            patterns in proptest::collection::vec(
                r"(?:\\b|\\A|\(\?:\\A\|b\)|\(\?!b\)|)(?:[abc]|[bc]\?|a\{0,9\}|\[ab\]\{1,2\}){1,5}", 1..90),
            text in "[abc ]{0,30}",
        ) {
            let mut sought = Vec::new();
            let mut regexes = Vec::new();
            for pattern in patterns {
                let regex = fancy_regex::Regex::new(&format!("(?={pattern})")).unwrap();
                sought.push((u32::try_from(regexes.len()).unwrap(), lead(&pattern)));
                regexes.push(regex);
            }
            let mut told = Vec::new();
            let leads = sought.clone();
            Starts::new(sought).look(text.as_bytes(), &mut |seeker, at| told.push((seeker, at)));
            for ((number, lead), regex) in leads.into_iter().zip(&regexes) {
                let mut from = 0;
                while let Ok(Some(found)) = regex.find_from_pos(&text, from) {
                    if found.start() == text.len() && lead.sets().is_empty() {
                        break;
                    }
                    prop_assert!(told.contains(&(number, found.start())), "{:?} {:?}", regex, text);
                    from = found.start() + 1;
                }
            }
        }
    }
}
