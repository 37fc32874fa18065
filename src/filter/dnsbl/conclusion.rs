//! What is made of the answers of all lists: hits, and what could not be asked. It depends on the answers
//! alone, not on their order.

use super::plan::Question;
use super::round::{Round, Said};
use super::subject::Value;
use super::zone::Finding;
use super::{Shared, reason};
use crate::dns::domain::is_within;
use crate::filter::{Hit, Outcome, Reason};

/// Longest detail of a failure, bytes.
const DETAIL_BYTES: usize = 512;

/// The hits of what was found, list by list.
fn hits(shared: &Shared, found: &[(usize, &Finding)]) -> Vec<Hit> {
    let exempt: Vec<&Finding> = found
        .iter()
        .filter(|(list, finding)| {
            let list = shared.lists.get(*list);
            list.is_some_and(|l| l.zone.exempts(finding))
        })
        .map(|(_, finding)| *finding)
        .collect();
    let mut hits = Vec::new();
    for (place, list) in shared.lists.iter().enumerate() {
        let of_list = found.iter().filter(|(l, _)| *l == place).map(|(_, f)| *f);
        let counts = |f: &&Finding| list.zone.exempts(f) || !exempt.iter().any(|e| covers(e, f));
        let counting: Vec<&Finding> = of_list.filter(counts).collect();
        hits.extend(list.zone.hits(&counting));
    }
    hits
}

/// Whether what an allow list has covers what a block list has: the same value, or a name above it, of the
/// same subject.
fn covers(allowed: &Finding, blocked: &Finding) -> bool {
    if allowed.subject != blocked.subject {
        return false;
    }
    match (&allowed.value, &blocked.value) {
        (Value::Name(above), Value::Name(name)) => is_within(name, above),
        (allowed, blocked) => allowed == blocked,
    }
}

fn findings<'a>(
    questions: &'a [Question],
    said: &'a [Option<Said>],
) -> impl Iterator<Item = (usize, &'a Finding)> {
    questions.iter().zip(said).flat_map(|(question, said)| {
        let found = said.iter().flatten().flatten();
        found.map(|finding| (question.list, finding))
    })
}

/// A hit that ends the evaluation, if the answers that are there give one. While an allow list that may
/// exempt what is asked about has not answered, none does.
pub(super) fn decisive(shared: &Shared, round: &Round) -> Option<Hit> {
    let said = round.said();
    let open = round
        .questions
        .iter()
        .zip(said.iter())
        .any(|(question, said)| {
            let list = shared.lists.get(question.list);
            said.is_none() && list.is_some_and(|l| l.zone.may_exempt())
        });
    if open {
        return None;
    }
    let found: Vec<(usize, &Finding)> = findings(&round.questions, &said).collect();
    hits(shared, &found).into_iter().find(Hit::ends)
}

/// The outcome of all rounds, and of what else was not asked.
pub(super) fn outcome(
    shared: &Shared,
    rounds: &[Round],
    unasked: Vec<(Reason, String)>,
) -> Outcome {
    let said: Vec<_> = rounds.iter().map(|r| (r, r.said())).collect();
    let found: Vec<(usize, &Finding)> = said
        .iter()
        .flat_map(|(round, said)| findings(&round.questions, said))
        .collect();
    let hits = hits(shared, &found);
    let mut failures: Vec<(Reason, String)> = Vec::new();
    for (place, list) in shared
        .lists
        .iter()
        .enumerate()
        .filter(|(_, l)| l.zone.required)
    {
        let questions = said
            .iter()
            .flat_map(|(round, said)| round.questions.iter().zip(said.iter()))
            .filter(|(question, _)| question.list == place);
        let mut told: Vec<(Reason, String)> = questions
            .filter_map(|(_, said)| match said {
                Some(Ok(_)) => None,
                Some(Err(failure)) => Some((
                    reason(failure.kind),
                    format!("{}: {}", list.zone.name, failure.detail),
                )),
                None => Some((
                    Reason::Timeout,
                    format!("{}: no answer in time", list.zone.name),
                )),
            })
            .collect();
        told.sort();
        told.dedup();
        failures.extend(told);
    }
    failures.extend(unasked);
    let Some(reason) = failures.iter().map(|(reason, _)| *reason).min() else {
        return Outcome::Checked(hits);
    };
    let each: Vec<String> = failures.into_iter().map(|(_, detail)| detail).collect();
    let mut detail = each.join("; ");
    // Names of lists, addresses and details are ASCII.
    detail.truncate(DETAIL_BYTES);
    Outcome::Unscanned {
        reason,
        detail,
        hits,
    }
}
