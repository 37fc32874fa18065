//! The policies in force: which one holds for a recipient, and what can be said before the message is there.

use std::sync::Arc;

use super::actions::Actions;
use super::address_list::Keys;
use super::language::Language;
use super::options::{Conflict, ConflictFallback};
use super::outbound::Outbound;
use super::scope::Scope;
use super::senders::{Identity, Senders};
use super::settings::PROVES;
use crate::filter::{Action, Hit};
use crate::mail::{Address, Direction, Envelope};
use crate::verdict::{Decision, Listed, Thresholds, Verdict};

/// The policy of inbound mail that no other takes: what the rest of the file says.
pub(super) const DEFAULT: &str = "default";
/// The policy of outbound mail that no other takes.
pub(super) const OUTBOUND: &str = "outbound";
/// The name under which what policies find stands among the filters.
pub const NAME: &str = "policy";

/// What holds for a recipient.
#[derive(Clone, Debug)]
pub struct Policy {
    pub(super) name: Arc<str>,
    pub(super) scope: Scope,
    pub(super) thresholds: Thresholds,
    /// Filters that say nothing to this recipient.
    pub(super) skip: Vec<&'static str>,
    pub(super) senders: Senders,
    pub(super) language: Option<Language>,
    pub(super) actions: Actions,
}

impl Policy {
    /// What all mail of a direction falls back to.
    pub(super) fn fallback(
        name: &str,
        direction: Direction,
        thresholds: Thresholds,
        skip: Vec<&'static str>,
    ) -> Arc<Policy> {
        Arc::new(Policy {
            name: name.into(),
            scope: Scope::all(direction),
            thresholds,
            skip,
            senders: Senders::default(),
            language: None,
            actions: Actions::default(),
        })
    }

    /// Its name: safe in headers, logs and labels.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Scores from which on something happens.
    pub fn thresholds(&self) -> &Thresholds {
        &self.thresholds
    }

    /// Whether what a filter says does not count.
    pub fn skips(&self, filter: &str) -> bool {
        self.skip.contains(&filter)
    }
}

/// All policies of a configuration.
#[derive(Debug)]
pub struct Policies {
    /// In order.
    written: Vec<Arc<Policy>>,
    /// What mail falls back to: inbound, outbound.
    fallbacks: [Arc<Policy>; 2],
    /// Filters that none of them wants: inbound, outbound.
    never: [Vec<&'static str>; 2],
    outbound: Outbound,
    pub(super) everywhere: Senders,
    pub(super) conflict: Conflict,
    pub(super) fallback: ConflictFallback,
    configured: bool,
    may_decide_early: bool,
    version: String,
}

impl Policies {
    pub(super) fn new(
        written: Vec<Arc<Policy>>,
        fallbacks: [Arc<Policy>; 2],
        outbound: Outbound,
        everywhere: Senders,
        conflict: Conflict,
        fallback: ConflictFallback,
        version: String,
    ) -> Policies {
        let all = || written.iter().chain(&fallbacks);
        let never = |direction| common(all().filter(|p| p.scope.direction == direction));
        Policies {
            never: [never(Direction::Inbound), never(Direction::Outbound)],
            may_decide_early: everywhere.may_refuse() || all().any(|p| p.senders.may_refuse()),
            configured: !written.is_empty() || !everywhere.is_empty(),
            written,
            fallbacks,
            outbound,
            everywhere,
            conflict,
            fallback,
            version,
        }
    }

    /// One policy for all mail.
    pub fn one(thresholds: Thresholds) -> Policies {
        Policies::new(
            Vec::new(),
            [
                Policy::fallback(DEFAULT, Direction::Inbound, thresholds, Vec::new()),
                Policy::fallback(OUTBOUND, Direction::Outbound, thresholds, Vec::new()),
            ],
            Outbound::default(),
            Senders::default(),
            Conflict::default(),
            ConflictFallback::default(),
            String::new(),
        )
    }

    fn all(&self) -> impl Iterator<Item = &Arc<Policy>> {
        self.written.iter().chain(&self.fallbacks)
    }

    /// Which lists these are: a digest of their files.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Names of all policies, in order.
    pub fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.all().map(|p| &p.name)
    }

    /// Whether the file has policies or lists of senders at all.
    pub fn configured(&self) -> bool {
        self.configured
    }

    /// Which way a message goes, from what is known of its envelope so far.
    pub fn direction(&self, envelope: &Envelope) -> Direction {
        self.outbound.direction(envelope)
    }

    /// The policy for a recipient of a message, or for a message without any: the first that takes it.
    pub fn select(&self, envelope: &Envelope, recipient: Option<&Address>) -> Arc<Policy> {
        let keys = match self.written.is_empty() {
            true => None,
            false => recipient.map(|r| Keys::of(r.text())),
        };
        let first = self
            .written
            .iter()
            .find(|p| p.scope.takes(envelope, keys.as_ref()));
        let [inbound, outbound] = &self.fallbacks;
        Arc::clone(first.unwrap_or(match envelope.direction {
            Direction::Inbound => inbound,
            Direction::Outbound => outbound,
        }))
    }

    /// Filters that no policy of a direction wants, so that they need not begin.
    pub fn never(&self, direction: Direction) -> &[&'static str] {
        let [inbound, outbound] = &self.never;
        match direction {
            Direction::Inbound => inbound,
            Direction::Outbound => outbound,
        }
    }

    /// Filters that none of these policies wants. What proves the sender is wanted by all.
    pub fn unwanted(policies: &[Arc<Policy>]) -> Vec<&'static str> {
        let mut filters = common(policies.iter());
        filters.retain(|f| *f != PROVES);
        filters
    }

    /// Filters that one of these policies skips.
    pub fn skipped_by_some(policies: &[Arc<Policy>]) -> Vec<&'static str> {
        let mut filters: Vec<_> = policies.iter().flat_map(|p| p.skip.clone()).collect();
        filters.sort_unstable();
        filters.dedup();
        filters
    }

    /// Whether a recipient may be refused for the sender of the envelope before the message comes.
    pub fn may_decide_early(&self) -> bool {
        self.may_decide_early
    }

    /// The verdict of a policy before the message is there, where it is certain: a denied sender, or a decisive hit
    /// (given with the filter that had it). `None` where nothing is certain.
    pub fn early(
        &self,
        policy: &Policy,
        envelope: &Envelope,
        decisive: Option<(&'static str, Hit)>,
    ) -> Option<Verdict> {
        let denied = self.denied(policy, envelope);
        let listed = denied.as_ref().map(|(_, listed)| listed.clone());
        let hit = denied.map(|(hit, _)| (NAME, hit));
        let (filter, hit) = hit.or(decisive)?;
        let mut verdict = Verdict::early(filter, hit);
        verdict.action = policy
            .actions
            .instead_of(verdict.action, &verdict.decided_by);
        verdict.policy = self.decision(policy, listed);
        Some(verdict)
    }

    /// The deny entry for the sender of the envelope that nothing learned later can set aside.
    fn denied(&self, policy: &Policy, envelope: &Envelope) -> Option<(Hit, Listed)> {
        if !self.may_decide_early {
            return None;
        }
        let sender = Identity::envelope(envelope)?;
        let everywhere = policy.scope.direction == Direction::Inbound && !policy.senders.allows();
        let said = policy.senders.refuses(&sender).or_else(|| {
            // A denial by the policy itself that is not certain must be waited for.
            let open = policy.senders.judge(std::slice::from_ref(&sender), None);
            match everywhere && open.is_none() {
                true => self.everywhere.refuses(&sender),
                false => None,
            }
        })?;
        let hit = said
            .hits
            .into_iter()
            .find(|h| h.decisive == Some(Action::Reject))?;
        Some((hit, said.listed?))
    }

    /// What is shown of a policy; nothing where the file has none and the mail is as usual.
    pub(super) fn decision(&self, policy: &Policy, listed: Option<Listed>) -> Option<Decision> {
        let shown = self.configured || *policy.name != *DEFAULT;
        shown.then(|| Decision {
            policy: policy.name.clone(),
            listed,
        })
    }
}

fn common<'a>(mut policies: impl Iterator<Item = &'a Arc<Policy>>) -> Vec<&'static str> {
    let Some(first) = policies.next() else {
        return Vec::new();
    };
    let mut filters = first.skip.clone();
    for policy in policies {
        filters.retain(|f| policy.skip.contains(f));
    }
    filters
}
