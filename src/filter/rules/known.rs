//! What other filters hand to the rules: the files of the message, who it comes from, what is remembered of the sender.
//!
//! Rules wait for a filter only where one of them asks for what it finds out. Where it is not in the chain, has skipped
//! the message, or came to no result, the places that it fills are empty.

use std::borrow::Cow;
use std::sync::Arc;

use super::texts::Values;
use crate::auth::arc::ArcResult;
use crate::auth::dkim::DkimResult;
use crate::auth::dmarc::DmarcResult;
use crate::auth::iprev::IprevResult;
use crate::auth::spf::SpfResult;
use crate::content::Content;
use crate::filter::auth::{Authenticated, Disposition};
use crate::filter::{Hit, Scan};

/// What is known beside envelope and message.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known<'a> {
    /// The files; opened within the default limits when a rule asks for them and they are not here.
    pub content: Option<&'a Content>,
    /// What the filter `auth` has found out.
    pub authentication: Option<&'a Authenticated>,
    /// The hits of the filter `reputation`.
    pub reputation: &'a [Hit],
}

/// The same, held.
#[derive(Clone, Debug, Default)]
pub struct Held {
    pub(super) content: Option<Arc<Content>>,
    pub(super) authentication: Option<Arc<Authenticated>>,
    pub(super) reputation: Option<Arc<Vec<Hit>>>,
}

impl Held {
    /// What is known of a message by now.
    pub fn of(scan: &Scan) -> Held {
        Held {
            content: scan.content.get(),
            authentication: scan.authentication.get(),
            reputation: scan.reputation.get(),
        }
    }

    /// To look at.
    pub fn known(&self) -> Known<'_> {
        Known {
            content: self.content.as_deref(),
            authentication: self.authentication.as_deref(),
            reputation: self.reputation.as_ref().map_or(&[], |hits| hits.as_slice()),
        }
    }
}

/// One thing that the filter `auth` finds out of a message as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Proof {
    Iprev,
    Spf,
    SpfDomain,
    Arc,
    Dmarc,
    Disposition,
    /// Domains that SPF or DKIM has proven to be behind the message.
    Domain,
    /// The domain of From for which DMARC passed.
    Author,
}

impl Proof {
    /// Its texts.
    pub(super) fn texts<'a>(self, found: &'a Authenticated) -> Values<'a> {
        let one = |text: Option<&'a str>| texts(text.into_iter());
        match self {
            Proof::Iprev => one(found.iprev.as_ref().map(|iprev| iprev.result.name())),
            Proof::Spf => one(found.spf.as_ref().map(|spf| spf.result.name())),
            Proof::SpfDomain => one(found.spf.as_ref().map(|spf| spf.domain.as_str())),
            Proof::Arc => one(found.arc.as_ref().map(|arc| arc.result.name())),
            Proof::Dmarc => one(found.dmarc.as_ref().map(|dmarc| dmarc.result.name())),
            Proof::Disposition => one(found.disposition.as_ref().map(Disposition::name)),
            Proof::Domain => texts(found.domains().into_iter()),
            Proof::Author => one(found.author()),
        }
    }

    /// The only words that its texts can be, if there are such.
    pub(super) fn words(self) -> Option<Vec<&'static str>> {
        Some(match self {
            Proof::Iprev => IprevResult::ALL.map(IprevResult::name).to_vec(),
            Proof::Spf => {
                use SpfResult::*;
                [None, Neutral, Pass, Fail, SoftFail, TempError, PermError]
                    .map(SpfResult::name)
                    .to_vec()
            }
            Proof::Arc => {
                use ArcResult::*;
                [None, Pass, Fail, TempError].map(ArcResult::name).to_vec()
            }
            Proof::Dmarc => {
                use DmarcResult::*;
                [None, Pass, Fail, TempError]
                    .map(DmarcResult::name)
                    .to_vec()
            }
            Proof::Disposition => Disposition::NAMES.to_vec(),
            Proof::SpfDomain | Proof::Domain | Proof::Author => return None,
        })
    }
}

/// Results of one DKIM signature.
pub(super) fn results_of_dkim() -> Vec<&'static str> {
    use DkimResult::*;
    [None, Pass, Fail, Policy, Neutral, TempError, PermError]
        .map(DkimResult::name)
        .to_vec()
}

fn texts<'a>(found: impl Iterator<Item = &'a str>) -> Values<'a> {
    let texts = found.filter(|text| !text.is_empty());
    texts.map(|text| Cow::Borrowed(text.as_bytes())).collect()
}
