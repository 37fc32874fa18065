//! Reverse DNS (RFC 8601, section 2.7.3): does an address have a name that leads back to it?

use std::net::IpAddr;

use futures_util::future::join_all;

use super::names::{Failure, Names, addresses_like, pointers};

/// Most names of an address that are followed.
const NAMES: usize = 10;

/// The result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IprevResult {
    /// It has one.
    Pass,
    /// It has names, and none leads back.
    Fail,
    /// It has no name.
    PermError,
    /// DNS could not tell.
    TempError,
}

impl IprevResult {
    /// Each of them.
    pub const ALL: [IprevResult; 4] = [
        IprevResult::Pass,
        IprevResult::Fail,
        IprevResult::TempError,
        IprevResult::PermError,
    ];

    /// The word used in headers and metrics.
    pub fn name(self) -> &'static str {
        match self {
            IprevResult::Pass => "pass",
            IprevResult::Fail => "fail",
            IprevResult::PermError => "permerror",
            IprevResult::TempError => "temperror",
        }
    }
}

/// What came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Iprev {
    /// The result.
    pub result: IprevResult,
    /// The name that leads back, or else the first that the address claims; from DNS, to be escaped where shown.
    pub name: Option<String>,
    /// Why DNS could not tell, for `temperror`.
    pub failure: Option<Failure>,
}

/// Checks an address.
pub async fn check(names: &dyn Names, address: IpAddr) -> Iprev {
    let said = |result, name, failure| Iprev {
        result,
        name,
        failure,
    };
    let found = match pointers(names, address).await {
        Ok(found) => found,
        Err(failure) => return said(IprevResult::TempError, None, Some(failure)),
    };
    let followed = found.iter().take(NAMES).map(async |name| {
        let addresses = addresses_like(names, name, address).await?;
        Ok::<_, Failure>(addresses.contains(&address))
    });
    let mut failure = None;
    for (name, back) in found.iter().zip(join_all(followed).await) {
        match back {
            Ok(true) => return said(IprevResult::Pass, Some(name.clone()), None),
            Ok(false) => {}
            Err(why) => failure = Some(why),
        }
    }
    let first = found.into_iter().next();
    match (failure, &first) {
        (Some(failure), _) => said(IprevResult::TempError, first, Some(failure)),
        (None, None) => said(IprevResult::PermError, None, None),
        (None, Some(_)) => said(IprevResult::Fail, first, None),
    }
}
