//! For which mail a policy is: `for:`, checked.

use std::sync::Arc;

use ipnet::IpNet;

use super::address_list::{AddressList, Keys, Shelf, covering};
use super::options::ScopeOptions;
use crate::config::{Findings, Source};
use crate::filter::trusted;
use crate::mail::{Direction, Envelope};

/// Longest login, bytes.
const USER_BYTES: usize = 320;

/// The conditions of a policy; those that are not given hold for all mail of the direction.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    pub(super) direction: Direction,
    /// `None`: any recipient.
    recipients: Option<Recipients>,
    networks: Option<Vec<IpNet>>,
    /// In lower case.
    users: Option<Vec<String>>,
}

#[derive(Clone, Debug)]
struct Recipients {
    written: Arc<AddressList>,
    /// Files, with their names.
    lists: Vec<(std::path::PathBuf, Arc<AddressList>)>,
}

impl Scope {
    /// All mail of a direction.
    pub(super) fn all(direction: Direction) -> Scope {
        Scope {
            direction,
            ..Scope::default()
        }
    }

    /// Checks what is written.
    pub(super) fn check(
        options: &ScopeOptions,
        source: &Source,
        shelf: &mut Shelf<'_>,
        findings: &mut Findings<'_>,
    ) -> Scope {
        let named = !options.recipients.is_empty() || !options.lists.is_empty();
        let recipients = named.then(|| Recipients {
            written: Arc::new(AddressList::written(&options.recipients, source, findings)),
            lists: options
                .lists
                .iter()
                .map(|path| (path.value.clone(), shelf.open(path, findings)))
                .collect(),
        });
        let networks = trusted::read(&options.networks, findings);
        for user in &options.users {
            if user.value.is_empty() || user.value.len() > USER_BYTES {
                findings.wrong(user, format!("a login has 1 to {USER_BYTES} bytes"));
            }
        }
        let users = options.users.iter().map(|u| u.value.to_lowercase());
        Scope {
            direction: options.direction,
            recipients,
            networks: (!options.networks.is_empty()).then_some(networks),
            users: (!options.users.is_empty()).then(|| users.collect()),
        }
    }

    /// Whether it takes a message for the recipient that has these keys, or for whoever may come.
    pub(super) fn takes(&self, envelope: &Envelope, recipient: Option<&Keys>) -> bool {
        let client = || envelope.client.addr.map(|a| a.to_canonical());
        let login = || envelope.authenticated.as_ref().map(|u| u.to_lowercase());
        self.direction == envelope.direction
            && self.networks.as_ref().is_none_or(|networks| {
                client().is_some_and(|a| networks.iter().any(|n| n.contains(&a)))
            })
            && self
                .users
                .as_ref()
                .is_none_or(|users| login().is_some_and(|u| users.contains(&u)))
            && self
                .recipients
                .as_ref()
                .is_none_or(|recipients| recipient.is_some_and(|keys| recipients.hold(keys)))
    }

    /// Which of the written `recipients` never come to `later`, by their number there, because this scope takes them
    /// before. Without any, whether all of `later` is taken.
    pub(super) fn takes_from(&self, later: &Scope, written: &ScopeOptions) -> Taken {
        let wider = self.direction == later.direction
            && self.networks.as_ref().is_none_or(|mine| {
                let theirs = later.networks.as_ref();
                theirs.is_some_and(|t| t.iter().all(|n| mine.iter().any(|m| m.contains(n))))
            })
            && self.users.as_ref().is_none_or(|mine| {
                let theirs = later.users.as_ref();
                theirs.is_some_and(|t| t.iter().all(|u| mine.contains(u)))
            });
        if !wider {
            return Taken::Nothing;
        }
        let Some(mine) = &self.recipients else {
            return Taken::All;
        };
        let shadowed = written.recipients.iter().enumerate();
        let shadowed = shadowed.filter(|(_, entry)| mine.cover(&entry.value));
        let shadowed: Vec<usize> = shadowed.map(|(number, _)| number).collect();
        let lists = later.recipients.iter().flat_map(|r| &r.lists);
        let mut lists = lists.map(|(path, _)| mine.lists.iter().any(|(known, _)| known == path));
        let same_lists = !written.lists.is_empty() && lists.all(|known| known);
        match (
            shadowed.is_empty(),
            same_lists && written.recipients.is_empty(),
        ) {
            (_, true) => Taken::All,
            (true, false) => Taken::Nothing,
            (false, false) => Taken::Entries(shadowed),
        }
    }

    /// Whether it asks for a login.
    pub(super) fn asks_for_login(&self) -> bool {
        self.users.is_some()
    }
}

/// What an earlier policy takes away from a later one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Nothing,
    /// These entries of its `recipients`.
    Entries(Vec<usize>),
    All,
}

impl Recipients {
    fn hold(&self, keys: &Keys) -> bool {
        self.written.holds(keys) || self.lists.iter().any(|(_, list)| list.holds(keys))
    }

    fn cover(&self, entry: &str) -> bool {
        let mut lists = self.lists.iter().map(|(_, list)| list);
        covering(&self.written, entry).is_some() || lists.any(|l| covering(l, entry).is_some())
    }
}
