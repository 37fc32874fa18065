//! Senders who are allowed or denied, and what it takes for an entry to count.
//!
//! An allow entry counts only for an identity that is proven, unless it is marked `unsafe`: for From, SPF or DKIM
//! must pass and be aligned as DMARC has it; for the envelope sender, SPF must pass for its domain, or a signature of
//! just that domain. A deny entry needs no proof.
//!
//! Of all entries that an identity is found by, the most specific one decides (the address, its domain, the nearest
//! domain above); of equally specific ones, deny. An allow entry that does not count decides nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_saphyr::Spanned;

use super::address_list::{AddressList, Entry, Keys, Shelf};
use super::options::{AllowOptions, DenyAction, DenyOptions};
use crate::auth::dkim::DkimResult;
use crate::auth::dmarc::DmarcResult;
use crate::auth::spf::{Identity as Checked, SpfResult};
use crate::config::{Findings, Source};
use crate::dns::domain::name;
use crate::filter::auth::Authenticated;
use crate::filter::{Action, Hit};
use crate::mail::{Envelope, Mail};
use crate::verdict::Listed;

/// Mailboxes of From that are looked at; one with more is not found by them.
const AUTHORS: usize = 16;
/// Items of one list.
const ITEMS: usize = 64;
/// Bound on the points of a hit.
const POINTS: f64 = 1000.0;

/// Ids of the hits.
pub(super) const ALLOWED: &str = "POLICY_ALLOWED_SENDER";
pub(super) const UNPROVEN: &str = "POLICY_ALLOW_UNPROVEN";
pub(super) const DENIED: &str = "POLICY_DENIED_SENDER";

/// Hits, and the words for them in metrics.
pub(super) const HITS: [(&str, &str); 3] =
    [(ALLOWED, "allow"), (UNPROVEN, "unproven"), (DENIED, "deny")];

/// The allow and deny lists of one policy, or those of all.
#[derive(Clone, Debug, Default)]
pub(super) struct Senders {
    allow: Vec<Allow>,
    deny: Vec<Deny>,
}

#[derive(Clone, Debug)]
struct Allow {
    list: Arc<AddressList>,
    unproven: bool,
}

#[derive(Clone, Debug)]
struct Deny {
    list: Arc<AddressList>,
    effect: Effect,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Effect {
    Decides(Action),
    Score(f64),
}

/// Where an address stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    MailFrom,
    From,
}

impl Place {
    fn name(self) -> &'static str {
        match self {
            Place::MailFrom => "envelope sender",
            Place::From => "From",
        }
    }
}

/// An address of the sender, with what entries it may be found by.
#[derive(Debug)]
pub(super) struct Identity {
    place: Place,
    address: String,
    keys: Keys,
}

impl Identity {
    fn new(place: Place, address: &str) -> Identity {
        Identity {
            place,
            keys: Keys::of(address),
            address: address.to_owned(),
        }
    }

    /// The envelope sender, if there is one.
    pub(super) fn envelope(envelope: &Envelope) -> Option<Identity> {
        let sender = envelope.sender.as_ref().filter(|s| s.domain().is_some())?;
        Some(Identity::new(Place::MailFrom, sender.text()))
    }

    /// Envelope sender and authors.
    pub(super) fn all(envelope: &Envelope, mail: &Mail) -> Vec<Identity> {
        let authors = mail.mailboxes("From");
        let authors = authors.iter().take(AUTHORS);
        Identity::envelope(envelope)
            .into_iter()
            .chain(authors.map(|m| Identity::new(Place::From, &m.address)))
            .collect()
    }

    fn domain(&self) -> Option<String> {
        name(self.address.rsplit_once('@')?.1)
    }

    /// Whether the domain of the address is proven to be behind the message.
    fn is_proven(&self, authenticated: &Authenticated) -> bool {
        let Some(domain) = self.domain() else {
            return false;
        };
        let spf = authenticated.spf.as_ref();
        let spf = spf.filter(|s| s.result == SpfResult::Pass);
        let signed = || {
            let passing = authenticated.dkim.iter();
            passing.filter(|d| d.result == DkimResult::Pass)
        };
        match self.place {
            Place::MailFrom => {
                let of_sender = |s: &&crate::auth::spf::Spf| s.identity == Checked::MailFrom;
                spf.filter(of_sender)
                    .is_some_and(|s| name(&s.domain).as_ref() == Some(&domain))
                    || signed().any(|d| d.domain == domain)
            }
            Place::From => match &authenticated.dmarc {
                Some(dmarc) if dmarc.domain != domain => false,
                Some(dmarc) => match dmarc.result {
                    DmarcResult::Pass => true,
                    // The domain has no policy; what DMARC asks for can be told nevertheless.
                    DmarcResult::None => {
                        let aligned = |s: &&crate::auth::spf::Spf| {
                            name(&s.domain).is_some_and(|d| dmarc.would_align(&d, false))
                        };
                        spf.filter(aligned).is_some()
                            || signed().any(|d| dmarc.would_align(&d.domain, true))
                    }
                    DmarcResult::Fail | DmarcResult::TempError => false,
                },
                None => false,
            },
        }
    }
}

/// What a list says of a message.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Said {
    /// The entry that decided; `None` where one only would have, were it proven.
    pub(super) listed: Option<Listed>,
    /// The hits that stand for it.
    pub(super) hits: Vec<Hit>,
}

enum Found {
    Allow,
    Deny(Effect),
}

impl Senders {
    /// Checks what is written.
    pub(super) fn check(
        allow: &[Spanned<AllowOptions>],
        deny: &[Spanned<DenyOptions>],
        source: &Source,
        shelf: &mut Shelf<'_>,
        findings: &mut Findings<'_>,
    ) -> Senders {
        let mut senders = Senders::default();
        for item in allow {
            let AllowOptions {
                senders: named,
                list: file,
                unproven,
            } = &item.value;
            let lists = lists(item, named, file.as_ref(), source, shelf, findings);
            for list in lists {
                let unproven = *unproven;
                senders.allow.push(Allow { list, unproven });
            }
        }
        for item in deny {
            let DenyOptions {
                senders: named,
                list: file,
                action,
                score,
            } = &item.value;
            let effect = match (action, score) {
                (DenyAction::Reject, None) => Effect::Decides(Action::Reject),
                (DenyAction::Quarantine, None) => Effect::Decides(Action::Quarantine),
                (DenyAction::Score, Some(score)) => {
                    if !score.value.is_finite() || score.value.abs() > POINTS {
                        findings.wrong(score, format!("must be -{POINTS} to {POINTS} points"));
                    }
                    Effect::Score(score.value)
                }
                (_, Some(score)) => {
                    findings.wrong_with_help(
                        score,
                        "a score goes with `action: score` only",
                        "leave `score` out, or write `action: score`",
                    );
                    Effect::Score(score.value)
                }
                (DenyAction::Score, None) => {
                    findings.wrong(item, "`action: score` needs a `score`");
                    Effect::Score(0.0)
                }
            };
            let lists = lists(item, named, file.as_ref(), source, shelf, findings);
            senders
                .deny
                .extend(lists.into_iter().map(|list| Deny { list, effect }));
        }
        let items = senders.allow.len() + senders.deny.len();
        if items > ITEMS {
            let message = format!("{items} items of `allow` and `deny`, more than {ITEMS}");
            let help = "put the entries into fewer files";
            match (allow.last(), deny.last()) {
                (_, Some(item)) => findings.wrong_with_help(item, message, help),
                (Some(item), None) => findings.wrong_with_help(item, message, help),
                (None, None) => {}
            }
        }
        senders
    }

    /// Whether there is nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        self.allow.is_empty() && self.deny.is_empty()
    }

    /// Whether an entry asks for a proof.
    pub(super) fn needs_proof(&self) -> bool {
        self.allow.iter().any(|a| !a.unproven)
    }

    /// Whether an envelope sender may be refused by it before the message comes.
    pub(super) fn may_refuse(&self) -> bool {
        let refuses = |d: &Deny| d.effect == Effect::Decides(Action::Reject);
        self.deny.iter().any(refuses)
    }

    /// What the lists say of these identities; `None` where none of them is listed.
    pub(super) fn judge(
        &self,
        identities: &[Identity],
        authenticated: Option<&Authenticated>,
    ) -> Option<Said> {
        if self.is_empty() {
            return None;
        }
        let mut best: Option<(usize, &Identity, Found, Entry)> = None;
        let mut unproven: Option<(&Identity, Entry)> = None;
        for identity in identities {
            let mut proven = None;
            for (rank, key) in identity.keys.iter().enumerate() {
                let better = best.as_ref().is_none_or(|(known, _, found, _)| {
                    rank < *known || (rank == *known && matches!(found, Found::Allow))
                });
                if !better {
                    break;
                }
                let denied = self.deny.iter().find_map(|d| Some((d, d.list.find(key)?)));
                if let Some((deny, entry)) = denied {
                    best = Some((rank, identity, Found::Deny(deny.effect), entry));
                    break;
                }
                if best.as_ref().is_some_and(|(known, ..)| rank == *known) {
                    continue;
                }
                let allowed = self
                    .allow
                    .iter()
                    .filter_map(|a| Some((a, a.list.find(key)?)));
                let mut counted = false;
                for (allow, entry) in allowed {
                    let counts = allow.unproven
                        || *proven.get_or_insert_with(|| {
                            authenticated.is_some_and(|a| identity.is_proven(a))
                        });
                    if counts {
                        best = Some((rank, identity, Found::Allow, entry));
                        counted = true;
                        break;
                    }
                    unproven.get_or_insert((identity, entry));
                }
                if counted {
                    break;
                }
            }
        }
        let evidence = |identity: &Identity, entry: &Entry| {
            let (at, address) = (identity.place.name(), &identity.address);
            format!("{} {}: {at} {address}", entry.place, entry.text)
        };
        let Some((_, identity, found, entry)) = best else {
            let (identity, entry) = unproven?;
            return Some(Said {
                listed: None,
                hits: vec![Hit::new(UNPROVEN, 0.0, evidence(identity, &entry))],
            });
        };
        let (list, rule) = match found {
            Found::Allow => ("allow", ALLOWED),
            Found::Deny(_) => ("deny", DENIED),
        };
        let hit = Hit::new(rule, 0.0, evidence(identity, &entry));
        let hit = match found {
            Found::Allow => hit.decisive(Action::Deliver),
            Found::Deny(Effect::Decides(action)) => hit.decisive(action),
            Found::Deny(Effect::Score(score)) => Hit { score, ..hit },
        };
        Some(Said {
            listed: Some(Listed {
                list,
                place: entry.place,
                entry: entry.text,
            }),
            hits: vec![hit],
        })
    }

    /// What the lists say of the envelope sender alone, where nothing that is learned later can change it: deny, and
    /// no allow entry could be more specific.
    pub(super) fn refuses(&self, sender: &Identity) -> Option<Said> {
        let said = self.judge(std::slice::from_ref(sender), None)?;
        let refused = said.hits.iter().any(|h| h.decisive == Some(Action::Reject));
        let whole = said.listed.as_ref().is_some_and(|l| l.entry.contains('@'));
        (refused && (whole || self.allow.is_empty())).then_some(said)
    }

    /// Whether it has an allow list at all.
    pub(super) fn allows(&self) -> bool {
        !self.allow.is_empty()
    }
}

/// The lists of one item.
fn lists<T>(
    item: &Spanned<T>,
    senders: &[Spanned<String>],
    file: Option<&Spanned<PathBuf>>,
    source: &Source,
    shelf: &mut Shelf<'_>,
    findings: &mut Findings<'_>,
) -> Vec<Arc<AddressList>> {
    let mut lists = Vec::new();
    if !senders.is_empty() {
        lists.push(Arc::new(AddressList::written(senders, source, findings)));
    }
    if let Some(path) = file {
        lists.push(shelf.open(path, findings));
    }
    if lists.is_empty() {
        findings.wrong(item, "neither `senders` nor `list` is given");
    }
    lists
}

/// The files of these items, relative to `base`.
pub(super) fn files<'a>(
    allow: &'a [Spanned<AllowOptions>],
    deny: &'a [Spanned<DenyOptions>],
    base: &'a Path,
) -> impl Iterator<Item = PathBuf> + 'a {
    let allowed = allow.iter().filter_map(|a| a.value.list.as_ref());
    let denied = deny.iter().filter_map(|d| d.value.list.as_ref());
    allowed.chain(denied).map(|path| base.join(&path.value))
}
