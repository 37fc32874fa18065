//! What is known of the sender of a message: for the header, for hits, and for other filters.

use std::net::IpAddr;

use crate::auth::arc::{Arc, ArcResult};
use crate::auth::dkim::{Dkim, DkimResult};
use crate::auth::dmarc::{Dmarc, DmarcResult, Policy};
use crate::auth::iprev::Iprev;
use crate::auth::results::{self, MethodResult};
use crate::auth::spf::{Spf, SpfResult};
use crate::dns::domain::{is_within, name};

/// The results of all methods on one message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Authenticated {
    /// The client, as it was checked.
    pub client: Option<IpAddr>,
    /// Reverse DNS of the client; `None` where it was not checked.
    pub iprev: Option<Iprev>,
    /// SPF; `None` where there was no envelope to check.
    pub spf: Option<Spf>,
    /// The signatures that were looked at, in their order.
    pub dkim: Vec<Dkim>,
    /// The ARC chain; `None` where it was not checked.
    pub arc: Option<Arc>,
    /// DMARC: of several domains in From the one whose policy is strictest; `None` where there is no such domain.
    pub dmarc: Option<Dmarc>,
    /// What became of a message that failed DMARC.
    pub disposition: Option<Disposition>,
    /// The whole value of `Authentication-Results`, not folded, printable.
    pub header: String,
}

/// What the policy of a domain came to for a message that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// It holds.
    Applied(Policy),
    /// `pct` spares the message; what is left of the policy.
    Spared(Policy),
    /// A trusted sealer of an ARC chain that holds saw it pass: the domain of the sealer.
    Sealed(String),
    /// A mailing list that may: the domain of the list.
    MailingList(String),
}

impl Disposition {
    /// Their words.
    pub const NAMES: [&'static str; 6] = [
        "none",
        "quarantine",
        "reject",
        "spared",
        "arc",
        "mailing_list",
    ];

    /// The disposition of that word, without who excused the message.
    pub(in crate::filter) fn named(word: &str) -> Option<Disposition> {
        Some(match word {
            "none" => Disposition::Applied(Policy::None),
            "quarantine" => Disposition::Applied(Policy::Quarantine),
            "reject" => Disposition::Applied(Policy::Reject),
            "spared" => Disposition::Spared(Policy::None),
            "arc" => Disposition::Sealed(String::new()),
            "mailing_list" => Disposition::MailingList(String::new()),
            _ => return None,
        })
    }

    /// The word used in metrics and headers.
    pub fn name(&self) -> &'static str {
        match self {
            Disposition::Applied(policy) => policy.name(),
            Disposition::Spared(_) => "spared",
            Disposition::Sealed(_) => "arc",
            Disposition::MailingList(_) => "mailing_list",
        }
    }

    /// The policy that is left.
    pub fn policy(&self) -> Policy {
        match self {
            Disposition::Applied(policy) | Disposition::Spared(policy) => *policy,
            Disposition::Sealed(_) | Disposition::MailingList(_) => Policy::None,
        }
    }
}

impl Authenticated {
    /// Domains that DKIM or SPF has proven to be behind the message, in A-labels, each once, whether or not they
    /// are the one that a reader sees.
    pub fn domains(&self) -> Vec<&str> {
        let signed = self.dkim.iter().filter(|d| d.result == DkimResult::Pass);
        let sent = self.spf.iter().filter(|s| s.result == SpfResult::Pass);
        let mut all: Vec<&str> = signed
            .map(|d| d.domain.as_str())
            .chain(sent.map(|s| s.domain.as_str()))
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Whether DKIM or SPF has proven `domain` (as [`crate::dns::domain::name()`] gives it), or a domain below it, to be
    /// behind the message.
    pub fn proves(&self, domain: &str) -> bool {
        self.domains()
            .iter()
            .any(|proven| is_within(proven, domain))
    }

    /// The domain of From that has been proven to be behind the message: DMARC passed.
    pub fn author(&self) -> Option<&str> {
        let passed = self
            .dmarc
            .as_ref()
            .filter(|d| d.result == DmarcResult::Pass);
        passed.map(|dmarc| dmarc.domain.as_str())
    }

    /// What another server of ours has written on a message.
    pub(in crate::filter) fn of_fields<'a>(
        client: IpAddr,
        values: impl Iterator<Item = &'a [u8]>,
    ) -> Authenticated {
        let mut summary = Authenticated {
            client: Some(client),
            ..Authenticated::default()
        };
        for found in values.flat_map(results::results) {
            summary.take(&found);
        }
        summary
    }

    fn take(&mut self, found: &MethodResult) {
        let domain = |property: &str| {
            let value = found.property(property)?;
            name(value.rsplit_once('@').map_or(value, |(_, domain)| domain))
        };
        match found.method.as_str() {
            "spf" if self.spf.is_none() => {
                use crate::auth::spf::Identity;
                let helo = domain("smtp.helo");
                let (identity, domain) = match domain("smtp.mailfrom").or(domain("smtp.mfrom")) {
                    Some(domain) => (Identity::MailFrom, domain),
                    None => (Identity::Helo, helo.unwrap_or_default()),
                };
                let all = [
                    SpfResult::None,
                    SpfResult::Neutral,
                    SpfResult::Pass,
                    SpfResult::Fail,
                    SpfResult::SoftFail,
                    SpfResult::PermError,
                ];
                self.spf = all
                    .into_iter()
                    .find(|r| r.name() == found.result)
                    .map(|result| Spf {
                        result,
                        identity,
                        domain,
                        reason: "as another server of ours found".to_owned(),
                        failure: None,
                    });
            }
            "dkim" => {
                let all = [
                    DkimResult::Pass,
                    DkimResult::Fail,
                    DkimResult::Policy,
                    DkimResult::Neutral,
                    DkimResult::PermError,
                ];
                let result = all.into_iter().find(|r| r.name() == found.result);
                self.dkim.extend(result.map(|result| {
                    Dkim {
                        result,
                        domain: domain("header.d")
                            .or(domain("header.i"))
                            .unwrap_or_default(),
                        selector: found.property("header.s").unwrap_or_default().to_owned(),
                        algorithm: "",
                        mark: String::new(),
                        reason: String::new(),
                        failure: None,
                    }
                }));
            }
            "dmarc" if self.dmarc.is_none() => {
                let all = [DmarcResult::None, DmarcResult::Pass, DmarcResult::Fail];
                let result = all.into_iter().find(|r| r.name() == found.result);
                let of = domain("header.from").unwrap_or_default();
                self.dmarc = result.map(|result| Dmarc::told(&of, result));
            }
            "arc" if self.arc.is_none() => {
                let all = [ArcResult::None, ArcResult::Pass, ArcResult::Fail];
                let result = all.into_iter().find(|r| r.name() == found.result);
                self.arc = result.map(Arc::told);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_disposition_has_its_word() {
        for word in Disposition::NAMES {
            assert_eq!(Disposition::named(word).unwrap().name(), word);
        }
        assert_eq!(Disposition::named("pass"), None);
    }
}
