//! SPF (RFC 7208): may this address send mail for this domain?
//!
//! In: the address of the client, the identity that it claims, the name it gave with HELO. Out: one of seven
//! results, the domain it is about, and the term of the record that decided. Promises: at most ten terms that
//! ask DNS, of which two may find nothing; at most ten exchangers or names of an address; records are read by
//! the letter, and one that cannot be read is `permerror` as a whole. The explanation of a record (`exp`) is
//! checked and never fetched: texts of strangers stand in no reply of ours. Questions that will be needed unless an
//! earlier term decides are asked ahead, so that a check takes as many round trips as includes are nested, not as there
//! are terms.

mod ahead;
mod evaluation;
mod macros;
mod record;

use std::net::IpAddr;

use super::names::{Failure, Names};
use crate::dns::domain;
use evaluation::Evaluation;

/// The result of a check (RFC 7208, section 2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SpfResult {
    /// There is no domain to check, or it publishes no record.
    None,
    /// The domain says nothing about this client.
    Neutral,
    /// The client may send for the domain.
    Pass,
    /// It may not.
    Fail,
    /// It probably may not.
    SoftFail,
    /// DNS could not tell.
    TempError,
    /// The record cannot be used.
    PermError,
}

impl SpfResult {
    /// The word used in headers (RFC 8601, section 2.7.2) and metrics.
    pub fn name(self) -> &'static str {
        match self {
            SpfResult::None => "none",
            SpfResult::Neutral => "neutral",
            SpfResult::Pass => "pass",
            SpfResult::Fail => "fail",
            SpfResult::SoftFail => "softfail",
            SpfResult::TempError => "temperror",
            SpfResult::PermError => "permerror",
        }
    }
}

/// Whose right to send is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// The envelope sender.
    MailFrom,
    /// The name given with HELO, where the envelope sender is null.
    Helo,
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// The address of the client.
    pub client: IpAddr,
    /// The name that it gave with HELO; empty when it gave none.
    pub helo: &'a str,
    /// The envelope sender without angle brackets; empty for the null sender.
    pub sender: &'a str,
}

/// What came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spf {
    /// The result.
    pub result: SpfResult,
    /// Whose right was checked.
    pub identity: Identity,
    /// The domain whose record was looked for, in A-labels where it is a name; as written otherwise.
    pub domain: String,
    /// The term that decided, or what is wrong with the record; from DNS, to be escaped where it is shown.
    pub reason: String,
    /// Why DNS could not tell, for `temperror`.
    pub failure: Option<Failure>,
}

/// Checks whether `query.client` may send for the domain of the envelope sender, or, where that is null, of HELO
/// (RFC 7208, sections 2.3 and 2.4).
pub async fn check(names: &dyn Names, query: Query<'_>) -> Spf {
    let helo = query.helo.trim_end_matches('.');
    let (identity, local, written) = match query.sender.rsplit_once('@') {
        Some((local, domain)) => (Identity::MailFrom, local, domain),
        None if query.sender.is_empty() => (Identity::Helo, "", helo),
        // An address without a domain is one of the receiving host: nobody publishes a record for it.
        None => (Identity::MailFrom, query.sender, ""),
    };
    let Some(domain) = domain::name(written) else {
        return Spf {
            result: SpfResult::None,
            identity,
            domain: written.to_owned(),
            reason: "no domain to check".to_owned(),
            failure: None,
        };
    };
    let local = if local.is_empty() {
        "postmaster"
    } else {
        local
    };
    let mut evaluation = Evaluation::new(names, query.client, local, &domain, helo);
    let (result, reason, failure) = match evaluation.check(domain.clone()).await {
        Ok((result, reason)) => (result, reason, None),
        Err(evaluation::Stop::Permanent(reason)) => (SpfResult::PermError, reason, None),
        Err(evaluation::Stop::Temporary(failure)) => {
            (SpfResult::TempError, failure.detail.clone(), Some(failure))
        }
    };
    Spf {
        result,
        identity,
        domain,
        reason,
        failure,
    }
}
