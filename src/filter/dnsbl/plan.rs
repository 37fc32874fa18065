//! Which questions a stage of a message makes. In: items and lists. Out: [`Question`]s in an order that
//! depends on the message and the configuration alone, within the bounds of each list and of the message.

use super::lookups::List;
use super::subject::{Item, Kind, Subject, Value};
use super::zone_options::HopOptions;
use crate::mail::registered_domain;
use crate::metrics::Metrics;

/// What a question counts against the bound of a message when a name must be resolved first.
const RESOLVED: usize = 5;

/// A question to one list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    /// Its place among the lists.
    pub(super) list: usize,
    pub(super) subject: Subject,
    /// What is asked about, or, where names must be resolved first, the host.
    pub(super) value: Value,
}

/// The bound on the questions of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Allowance {
    pub(super) left: usize,
    /// Whether a question had to be left out.
    pub(super) exceeded: bool,
}

impl Allowance {
    pub(super) fn new(most: usize) -> Allowance {
        Allowance {
            left: most,
            exceeded: false,
        }
    }

    fn take(&mut self, cost: usize) -> bool {
        match self.left.checked_sub(cost) {
            Some(left) => {
                self.left = left;
                true
            }
            None => {
                self.exceeded = true;
                false
            }
        }
    }
}

/// The questions about `items`.
pub(super) fn questions(
    lists: &[List],
    items: &[Item],
    allowance: &mut Allowance,
    metrics: &Metrics,
) -> Vec<Question> {
    let mut questions = Vec::new();
    if items.is_empty() {
        return questions;
    }
    for (place, list) in lists.iter().enumerate() {
        for subject in &list.zone.subjects {
            let all = values(list, *subject, items);
            let chosen = chosen(&all, list.zone.max);
            if chosen.len() < all.len() {
                let more = (all.len() - chosen.len()) as u64;
                let label = [list.zone.name.as_str()];
                metrics
                    .dnsbl_left_out
                    .with_label_values(&label)
                    .inc_by(more);
            }
            let cost = if subject.resolves() { RESOLVED } else { 1 };
            for value in chosen {
                if allowance.take(cost) {
                    questions.push(Question {
                        list: place,
                        subject: *subject,
                        value: value.clone(),
                    });
                }
            }
        }
    }
    questions
}

/// What `list` is asked about `subject`, each value once.
fn values(list: &List, subject: Subject, items: &[Item]) -> Vec<Value> {
    let of_subject = items.iter().filter(|i| i.subject == subject);
    let mut values: Vec<Value> = Vec::new();
    let mut add = |value: Value| {
        if !values.contains(&value) {
            values.push(value);
        }
    };
    for item in of_subject {
        match (&item.value, subject) {
            (Value::Name(host), Subject::UrlNs | Subject::UrlNsAddress) => {
                let registered = registered_domain(host).unwrap_or(host);
                add(Value::Name(registered.to_owned()));
            }
            (Value::Name(host), _) if !subject.resolves() && subject.kind() == Kind::Name => {
                list.zone.forms(host).into_iter().for_each(&mut add);
            }
            (value, _) => add(value.clone()),
        }
    }
    match subject {
        Subject::Received => hops(&values, list.zone.hops).to_vec(),
        _ => values,
    }
}

/// At most `max` of all values: half from the beginning and half from the end, so that neither place is one
/// to hide behind.
fn chosen(all: &[Value], max: usize) -> Vec<&Value> {
    if all.len() <= max {
        return all.iter().collect();
    }
    let first = max.div_ceil(2);
    let last = all.len() - (max - first);
    let (begin, end) = (all.iter().take(first), all.iter().skip(last));
    begin.chain(end).collect()
}

/// The hops between two places, both included.
fn hops(all: &[Value], wanted: HopOptions) -> &[Value] {
    let place = |n: i32| -> Option<usize> {
        let distance = usize::try_from(n.unsigned_abs()).ok()?;
        match n > 0 {
            true => distance.checked_sub(1),
            false => all.len().checked_sub(distance),
        }
    };
    // Before the first hop there is none, and neither is behind the last.
    let first = place(wanted.first).unwrap_or_default();
    let Some(last) = place(wanted.last) else {
        return &[];
    };
    let end = last.saturating_add(1).min(all.len());
    all.get(first..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(count: u8) -> Vec<Value> {
        (1..=count)
            .map(|n| Value::Address([192, 0, 2, n].into()))
            .collect()
    }

    fn shown<'a>(values: impl IntoIterator<Item = &'a Value>) -> Vec<u8> {
        let last = |v: &Value| match v {
            Value::Address(std::net::IpAddr::V4(a)) => a.octets()[3],
            _ => 0,
        };
        values.into_iter().map(last).collect()
    }

    #[test]
    fn hops_are_counted_from_either_end() {
        let all = addresses(4);
        for (first, last, expected) in [
            (1, -1, &[1, 2, 3, 4][..]),
            (1, 1, &[1]),
            (-1, -1, &[4]),
            (1, -2, &[1, 2, 3]),
            (2, 3, &[2, 3]),
            (2, 9, &[2, 3, 4]),
            (-9, 2, &[1, 2]),
            (1, -9, &[]),
            (5, 9, &[]),
            (4, 2, &[]),
        ] {
            let found = hops(&all, HopOptions { first, last });
            assert_eq!(shown(found), expected, "{first}..{last}");
        }
        assert!(hops(&[], HopOptions { first: 1, last: -1 }).is_empty());
    }

    #[test]
    fn of_too_many_values_both_ends_are_chosen() {
        let all = addresses(9);
        assert_eq!(shown(chosen(&all, 9)).len(), 9);
        assert_eq!(shown(chosen(&all, 5)), [1, 2, 3, 8, 9]);
        assert_eq!(shown(chosen(&all, 1)), [1]);
    }

    #[test]
    fn an_allowance_ends() {
        let mut allowance = Allowance::new(6);
        assert!(allowance.take(5) && !allowance.exceeded);
        assert!(!allowance.take(5) && allowance.exceeded);
        assert!(allowance.take(1) && allowance.left == 0);
    }
}
