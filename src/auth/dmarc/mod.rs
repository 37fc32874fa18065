//! DMARC (RFC 9989): does the domain that a reader sees stand behind the message, and what does it ask for
//! where it does not?
//!
//! In: the domain of From, the results of SPF and DKIM. Out: pass or fail, the policy that applies, who was aligned.
//! The policy and the organizational domain are found by the tree walk of RFC 9989, section 4.10: at most eight
//! questions for a domain, all asked at once. `pct` (RFC 7489) is given to the caller, who has the message to draw
//! lots with.

mod record;
mod walk;

use futures_util::future::{join, join_all};

pub use record::Policy;

use super::dkim::{Dkim, DkimResult};
use super::names::{Failure, Names, RecordType};
use super::spf::{Spf, SpfResult};
use crate::dns::domain;
use walk::Walk;

/// The result of DMARC (RFC 9989, section 10.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DmarcResult {
    /// There is no policy, or no domain that could have one.
    None,
    /// The domain stands behind the message.
    Pass,
    /// Nothing shows that it does.
    Fail,
    /// DNS could not tell.
    TempError,
}

impl DmarcResult {
    /// The word used in headers and metrics.
    pub fn name(self) -> &'static str {
        match self {
            DmarcResult::None => "none",
            DmarcResult::Pass => "pass",
            DmarcResult::Fail => "fail",
            DmarcResult::TempError => "temperror",
        }
    }
}

/// What came out for one domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dmarc {
    /// The result.
    pub result: DmarcResult,
    /// The domain of From, in A-labels; as written where it is no name.
    pub domain: String,
    /// What the domain asks for where the result is fail; test mode (`t=y`) is counted in.
    pub policy: Policy,
    /// Share of failing messages to which it applies (`pct`), 0 to 100.
    pub percent: u8,
    /// Whether SPF passed for a domain that is aligned.
    pub spf_aligned: bool,
    /// The domains of signatures that pass and are aligned.
    pub dkim_aligned: Vec<String>,
    /// Domains that an earlier host may have authenticated are held against this one.
    organization: String,
    strict: (bool, bool),
    /// Why DNS could not tell, for `temperror`.
    pub failure: Option<Failure>,
}

impl Dmarc {
    /// What somebody else has found, without the policy behind it.
    pub fn told(domain: &str, result: DmarcResult) -> Dmarc {
        Dmarc {
            result,
            ..Dmarc::none(domain)
        }
    }

    fn none(domain: &str) -> Dmarc {
        Dmarc {
            result: DmarcResult::None,
            domain: domain.to_owned(),
            policy: Policy::None,
            percent: 100,
            spf_aligned: false,
            dkim_aligned: Vec::new(),
            organization: domain.to_owned(),
            strict: (false, false),
            failure: None,
        }
    }

    /// DNS could not tell.
    pub fn temporary(domain: &str, failure: Failure) -> Dmarc {
        Dmarc {
            result: DmarcResult::TempError,
            failure: Some(failure),
            ..Dmarc::none(domain)
        }
    }

    /// Whether a domain that somebody else has authenticated, by DKIM or by SPF, would be aligned: it is the
    /// domain of From, or, where the policy is relaxed, lies in the same organization.
    pub fn would_align(&self, authenticated: &str, by_dkim: bool) -> bool {
        let strict = match by_dkim {
            true => self.strict.0,
            false => self.strict.1,
        };
        authenticated == self.domain
            || (!strict && domain::is_within(authenticated, &self.organization))
    }
}

/// The policy of a domain of From, before it is known who is authenticated.
#[derive(Clone, Debug)]
pub struct Author {
    domain: String,
    walk: Result<Option<Found>, Failure>,
}

#[derive(Clone, Debug)]
struct Found {
    policy: Policy,
    percent: u8,
    strict_dkim: bool,
    strict_spf: bool,
    organization: String,
}

impl Author {
    /// Looks for the policy of a domain of From, as written there. `signers`: domains that will be held against it;
    /// what must be asked to compare those of the same registered domain is asked along with it, so that it need
    /// not be waited for later.
    pub async fn discover(names: &dyn Names, written: &str, signers: &[&str]) -> Author {
        let Some(domain) = domain::name(written) else {
            return Author {
                domain: written.to_owned(),
                walk: Ok(None),
            };
        };
        let near = |signer: &&&str| **signer != domain && same_registered(signer, &domain);
        let ahead = signers
            .iter()
            .filter(near)
            .map(|signer| Walk::of(names, signer));
        let (walk, _) = join(find(names, &domain), join_all(ahead)).await;
        Author { domain, walk }
    }

    /// A domain of From whose policy could not be asked for.
    pub fn unknown(written: &str, failure: Failure) -> Author {
        Author {
            domain: domain::name(written).unwrap_or_else(|| written.to_owned()),
            walk: Err(failure),
        }
    }

    /// The domain, in A-labels where it is a name.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// Holds what was authenticated against the policy.
    pub async fn judge(&self, names: &dyn Names, spf: Option<&Spf>, dkim: &[Dkim]) -> Dmarc {
        let found = match &self.walk {
            Ok(Some(found)) => found,
            Ok(None) => return Dmarc::none(&self.domain),
            Err(failure) => return Dmarc::temporary(&self.domain, failure.clone()),
        };
        let mut dmarc = Dmarc {
            result: DmarcResult::Fail,
            policy: found.policy,
            percent: found.percent,
            organization: found.organization.clone(),
            strict: (found.strict_dkim, found.strict_spf),
            ..Dmarc::none(&self.domain)
        };
        let of_spf = spf.filter(|s| matches!(s.result, SpfResult::Pass | SpfResult::TempError));
        let of_dkim = dkim
            .iter()
            .filter(|d| matches!(d.result, DkimResult::Pass | DkimResult::TempError));
        let mut asked: Vec<(&str, bool)> = of_dkim.map(|d| (d.domain.as_str(), true)).collect();
        asked.extend(of_spf.map(|spf| (spf.domain.as_str(), false)));
        asked.sort_unstable();
        asked.dedup();
        let aligned = asked.iter().map(async |(domain, by_dkim)| {
            let strict = if *by_dkim {
                found.strict_dkim
            } else {
                found.strict_spf
            };
            let aligned = self.is_aligned(names, domain, strict, found).await;
            (*domain, *by_dkim, aligned)
        });
        let mut failure = None;
        for (domain, by_dkim, aligned) in join_all(aligned).await {
            match aligned {
                Ok(false) => {}
                Err(why) => failure = Some(why),
                Ok(true) if by_dkim => {
                    let of_domain = dkim.iter().filter(|d| d.domain == domain);
                    for signature in of_domain {
                        match signature.result {
                            DkimResult::Pass => dmarc.dkim_aligned.push(domain.to_owned()),
                            _ => failure = failure.or(signature.failure.clone()),
                        }
                    }
                    dmarc.dkim_aligned.dedup();
                }
                Ok(true) => match of_spf {
                    Some(spf) if spf.result == SpfResult::Pass => dmarc.spf_aligned = true,
                    Some(spf) => failure = failure.or(spf.failure.clone()),
                    None => {}
                },
            }
        }
        if dmarc.spf_aligned || !dmarc.dkim_aligned.is_empty() {
            dmarc.result = DmarcResult::Pass;
        } else if let Some(why) = failure {
            // What could not be asked might have passed (RFC 9989, section 5.3.6).
            dmarc.result = DmarcResult::TempError;
            dmarc.failure = Some(why);
        }
        dmarc
    }

    async fn is_aligned(
        &self,
        names: &dyn Names,
        other: &str,
        strict: bool,
        found: &Found,
    ) -> Result<bool, Failure> {
        if other == self.domain {
            return Ok(true);
        }
        if strict || !domain::is_within(other, &found.organization) {
            return Ok(false);
        }
        if other == found.organization {
            return Ok(true);
        }
        // Between the two a domain may have declared itself an organization of its own.
        let walk = Walk::of(names, other).await?;
        Ok(walk.organization(other) == found.organization)
    }
}

/// Whether two names lie under one that somebody has registered, by the public suffix list: only a hint.
fn same_registered(a: &str, b: &str) -> bool {
    let of = |name: &str| psl::domain_str(name).map(str::to_owned);
    of(a).is_some_and(|domain| of(b) == Some(domain))
}

/// Policy discovery (RFC 9989, section 4.10.1).
async fn find(names: &dyn Names, domain: &str) -> Result<Option<Found>, Failure> {
    let walk = Walk::of(names, domain).await?;
    let organization = walk.organization(domain);
    let own = walk.record(domain);
    let record = own
        .or_else(|| walk.record(&organization))
        .or_else(|| walk.highest());
    let Some(record) = record else {
        return Ok(None);
    };
    let stated = if own.is_some() {
        record.policy
    } else if record.missing != record.subdomains && !names.ask(domain, RecordType::A).await?.exists
    {
        record.missing
    } else {
        record.subdomains
    };
    Ok(Some(Found {
        policy: if record.testing {
            stated.milder()
        } else {
            stated
        },
        percent: record.percent,
        strict_dkim: record.strict_dkim,
        strict_spf: record.strict_spf,
        organization,
    }))
}

/// What a policy becomes for a message that `pct` spares (RFC 7489, section 6.6.4).
pub fn spared(policy: Policy) -> Policy {
    policy.milder()
}
