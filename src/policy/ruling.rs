//! From the outcomes of the chain to one answer for a message whose recipients may have different policies.
//!
//! Each policy gets a verdict of its own, as if the others were not there: filters that it skips have said nothing,
//! its lists and its language come first, and what stands behind a decisive hit was not looked at. Then the verdicts
//! are settled into one: see [`Settled`].

use std::sync::Arc;

use super::language::{self, Detected};
use super::options::{Conflict, ConflictFallback};
use super::policies::{NAME, Policies, Policy};
use super::senders::{self, Identity};
use crate::filter::{Action, ENDED, FailureAction, Hit, Outcome, Reason, Report, Scan};
use crate::mail::{Address, Direction};
use crate::verdict::{DecidedBy, Listed, Verdict, decide};

/// Why a filter has no outcome under a policy.
pub const SKIPPED: &str = "the policy skips this filter";

/// What one policy says of a message.
#[derive(Clone, Debug)]
pub struct Share {
    /// The policy.
    pub policy: Arc<Policy>,
    /// The recipients for whom it holds.
    pub recipients: Vec<Address>,
    /// Its verdict.
    pub verdict: Verdict,
}

impl Share {
    /// The lists of senders that had a say, each once: `allow`, `unproven` for an allow entry that did not count,
    /// `deny`.
    pub fn sender_lists(&self) -> impl Iterator<Item = &'static str> {
        let hit = |rule: &str| {
            let mut hits = self.verdict.hits();
            hits.any(|(filter, hit)| filter == NAME && *hit.rule == *rule)
        };
        let lists = senders::HITS.into_iter();
        lists
            .filter(move |(rule, _)| hit(rule))
            .map(|(_, list)| list)
    }
}

/// Recipients who do not get a message that others get.
#[derive(Clone, Debug)]
pub struct Held {
    /// The strictest verdict of their policies.
    pub verdict: Verdict,
    /// The recipients.
    pub recipients: Vec<Address>,
}

/// How the verdicts of several policies became one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// They ask for the same; or all let the message pass, and it is tagged if one of them says so.
    Agreed,
    /// Those who let it pass get it, the others are dropped, and a copy is held for them.
    Split,
    /// None lets it pass, and not all refuse it: a refusal would be one for all, so it is held for all.
    Held,
    /// One asks to try again later; later nobody will have got it twice.
    Tempfail,
    /// The strictest holds for all.
    Strictest,
    /// The mildest holds for all, but for what is more than a matter of score.
    Mildest,
}

impl Settled {
    /// The word used in metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Settled::Agreed => "agreed",
            Settled::Split => "split",
            Settled::Held => "held",
            Settled::Tempfail => "tempfail",
            Settled::Strictest => "strictest",
            Settled::Mildest => "mildest",
        }
    }

    /// The words of all ways that are no agreement.
    pub const CONFLICTS: [&'static str; 5] = ["split", "held", "tempfail", "strictest", "mildest"];
}

/// The answer for a message.
#[derive(Clone, Debug)]
pub struct Ruling {
    /// What becomes of the message; for all recipients but those of `held`.
    pub verdict: Verdict,
    /// The threshold of a tag that is shown with it.
    pub required: Option<f64>,
    /// Those who do not get what others get.
    pub held: Option<Held>,
    /// What each policy said, in the order of the recipients; at least one.
    pub shares: Vec<Share>,
    /// How they became one.
    pub settled: Settled,
    /// It was to be split, and the MTA does not let us drop recipients.
    pub not_granted: bool,
}

impl Ruling {
    /// One verdict for everybody, under no policy.
    pub fn whole(verdict: Verdict, required: Option<f64>) -> Ruling {
        Ruling {
            verdict,
            required,
            held: None,
            shares: Vec::new(),
            settled: Settled::Agreed,
            not_granted: false,
        }
    }
}

impl Policy {
    /// The verdict on outcomes as they are under this policy: its thresholds, and what it does instead.
    pub fn judge(
        &self,
        reports: Vec<Report>,
        failure: impl Fn(&str, Reason) -> FailureAction,
    ) -> Verdict {
        let mut verdict = decide(reports, &self.thresholds, failure);
        verdict.action = self.actions.instead_of(verdict.action, &verdict.decided_by);
        verdict
    }
}

impl Policies {
    /// Rules on a message. `selected` are the policies of its recipients, in their order, or one policy for a message
    /// without any; `can_drop`: whether recipients can be dropped; `failure` gives what a filter asks for that could
    /// not check it.
    pub fn rule(
        &self,
        selected: &[Arc<Policy>],
        scan: &Scan,
        reports: Vec<Report>,
        can_drop: bool,
        failure: impl Fn(&str, Reason) -> FailureAction,
    ) -> Ruling {
        let mut groups: Vec<(Arc<Policy>, Vec<Address>)> = Vec::new();
        let mut recipients = scan.envelope.recipients.iter();
        for policy in selected {
            let recipient = recipients.next().cloned();
            match groups.iter_mut().find(|(p, _)| Arc::ptr_eq(p, policy)) {
                Some((_, known)) => known.extend(recipient),
                None => groups.push((policy.clone(), recipient.into_iter().collect())),
            }
        }
        if groups.is_empty() {
            groups.push((self.select(&scan.envelope, None), Vec::new()));
        }
        let mut seen = Seen::new(scan);
        let last = groups.len() - 1;
        let mut reports = Some(reports);
        let mut shares = Vec::with_capacity(groups.len());
        for (number, (policy, recipients)) in groups.into_iter().enumerate() {
            // The outcomes are copied only where more than one policy looks at them.
            let of_chain = match number == last {
                true => reports.take(),
                false => reports.clone(),
            };
            let of_chain = of_chain.unwrap_or_default();
            let verdict = self.verdict(&policy, &mut seen, of_chain, &failure);
            shares.push(Share {
                policy,
                recipients,
                verdict,
            });
        }
        settle(shares, self.conflict, self.fallback, can_drop)
    }

    fn verdict(
        &self,
        policy: &Policy,
        seen: &mut Seen<'_>,
        reports: Vec<Report>,
        failure: &impl Fn(&str, Reason) -> FailureAction,
    ) -> Verdict {
        let (own, listed) = self.own(policy, seen);
        let mut verdict = policy.judge(viewed(policy, own, reports), failure);
        let by_list =
            matches!(&verdict.decided_by, DecidedBy::Hit { filter, .. } if *filter == NAME);
        let listed = listed.filter(|(_, decisive)| by_list || !decisive);
        verdict.policy = self.decision(policy, listed.map(|(listed, _)| listed));
        verdict
    }

    /// What the policy itself finds; and the entry behind it, with whether that is decisive.
    fn own(&self, policy: &Policy, seen: &mut Seen<'_>) -> (Vec<Hit>, Option<(Listed, bool)>) {
        let mut hits = Vec::new();
        let mut listed = None;
        let inbound = policy.scope.direction == Direction::Inbound;
        let lists = [Some(&policy.senders), inbound.then_some(&self.everywhere)];
        for senders in lists.into_iter().flatten().filter(|s| !s.is_empty()) {
            let authenticated = seen.scan.authentication.get();
            if let Some(said) = senders.judge(seen.identities(), authenticated.as_deref()) {
                let decisive = said.hits.iter().any(|h| h.decisive.is_some());
                hits.extend(said.hits);
                if said.listed.is_some() {
                    listed = said.listed.map(|l| (l, decisive));
                    break;
                }
            }
        }
        if let Some(language) = &policy.language {
            hits.extend(language.judge(seen.language()));
        }
        (hits, listed)
    }
}

/// What policies look at in a message, found out once and only if one of them asks.
struct Seen<'a> {
    scan: &'a Scan,
    identities: Option<Vec<Identity>>,
    language: Option<Option<Detected>>,
}

impl Seen<'_> {
    fn new(scan: &Scan) -> Seen<'_> {
        Seen {
            scan,
            identities: None,
            language: None,
        }
    }

    fn identities(&mut self) -> &[Identity] {
        let scan = self.scan;
        self.identities
            .get_or_insert_with(|| Identity::all(&scan.envelope, &scan.mail))
    }

    fn language(&mut self) -> Option<Detected> {
        let mail = &self.scan.mail;
        *self.language.get_or_insert_with(|| language::detect(mail))
    }
}

/// The outcomes as a policy sees them: its own hits first, without the filters that it skips, and nothing behind a
/// hit that ends the evaluation.
fn viewed(policy: &Policy, own: Vec<Hit>, reports: Vec<Report>) -> Vec<Report> {
    let own = (!own.is_empty()).then_some(own).map(|hits| Report {
        filter: NAME,
        outcome: Outcome::Checked(hits),
        elapsed: std::time::Duration::ZERO,
    });
    let mut ended = false;
    let mut view = Vec::with_capacity(reports.len() + 1);
    for mut report in own.into_iter().chain(reports) {
        if ended {
            report.outcome = Outcome::Skipped(ENDED);
        } else if policy.skips(report.filter) && !matches!(report.outcome, Outcome::Skipped(_)) {
            report.outcome = Outcome::Skipped(SKIPPED);
        }
        ended |= report.outcome.hits().iter().any(Hit::ends);
        view.push(report);
    }
    view
}

/// Whether more than points stand behind a verdict that holds a message back: a virus, a failure, a rule. A denied
/// sender is a matter of the policy.
fn binds(verdict: &Verdict) -> bool {
    let by_more = match &verdict.decided_by {
        DecidedBy::Hit { filter, .. } => *filter != NAME,
        DecidedBy::Failure { .. } => true,
        _ => false,
    };
    by_more && verdict.action > Action::Tag
}

/// Makes one answer of the verdicts of all policies.
fn settle(
    mut shares: Vec<Share>,
    conflict: Conflict,
    fallback: ConflictFallback,
    can_drop: bool,
) -> Ruling {
    let order = |a: &&Share, b: &&Share| {
        let (a, b) = (&a.verdict, &b.verdict);
        a.action.cmp(&b.action).then(a.score.total_cmp(&b.score))
    };
    // Of equals the first in the order of the recipients.
    let strictest =
        |of: &dyn Fn(&Share) -> bool| shares.iter().filter(|s| of(s)).rev().max_by(order);
    let mildest = |of: &dyn Fn(&Share) -> bool| shares.iter().filter(|s| of(s)).min_by(order);
    let passes = |s: &Share| s.verdict.action <= Action::Tag;
    let same = |s: &Share| {
        shares
            .first()
            .is_some_and(|first| first.verdict.action == s.verdict.action)
    };
    let for_all = |strict: bool| match strict {
        true => (strictest(&|_| true), Settled::Strictest),
        false => (
            strictest(&|s| binds(&s.verdict)).or_else(|| mildest(&|_| true)),
            Settled::Mildest,
        ),
    };
    let mut held = None;
    let mut not_granted = false;
    let (shown, settled) = if shares.iter().all(passes) || shares.iter().all(same) {
        match conflict {
            // Only the tag can differ.
            Conflict::Mildest => (mildest(&|_| true), Settled::Agreed),
            Conflict::Split | Conflict::Strictest => (strictest(&|_| true), Settled::Agreed),
        }
    } else {
        match conflict {
            Conflict::Strictest => for_all(true),
            Conflict::Mildest => for_all(false),
            Conflict::Split => {
                let tempfail = strictest(&|s| s.verdict.action == Action::Tempfail);
                if tempfail.is_some() {
                    (tempfail, Settled::Tempfail)
                } else if !shares.iter().any(passes) {
                    (mildest(&|_| true), Settled::Held)
                } else if can_drop {
                    let refused = |s: &Share| !passes(s);
                    held = strictest(&refused).map(|share| Held {
                        verdict: share.verdict.clone(),
                        recipients: shares
                            .iter()
                            .filter(|s| refused(s))
                            .flat_map(|s| s.recipients.iter().cloned())
                            .collect(),
                    });
                    (strictest(&passes), Settled::Split)
                } else {
                    not_granted = true;
                    for_all(fallback == ConflictFallback::Strictest)
                }
            }
        }
    };
    let shown = shown.map(|s| (s.verdict.clone(), s.policy.thresholds.tag));
    match shown {
        Some((verdict, required)) => Ruling {
            verdict,
            required,
            held,
            shares: std::mem::take(&mut shares),
            settled,
            not_granted,
        },
        // Cannot be: there is a share for each group, and at least one. Undecided is not delivered.
        None => Ruling::whole(
            Verdict {
                action: Action::Tempfail,
                ..Verdict::released()
            },
            None,
        ),
    }
}
