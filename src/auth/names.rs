//! Questions to DNS, and the shapes in which their answers are used.
//!
//! [`Names`] is all that this layer knows of DNS: the daemon gives it the shared resolver with a bound on the
//! questions of one message, tests give it a table.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use hickory_resolver::proto::rr::Name;

pub use crate::dns::{Failure, Kind, RData, RecordType};

use crate::dns::{domain, reversed};

/// The records of a name.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Those of the type that was asked for.
    pub records: Arc<[RData]>,
    /// False where the name does not exist at all (NXDOMAIN).
    pub exists: bool,
}

/// Something that knows the records of names.
pub trait Names: Send + Sync {
    /// The records of type `kind` of `name`: ASCII, lower case, without a final dot.
    ///
    /// # Errors
    /// No answer, or one that says nothing about the name.
    fn ask<'a>(&'a self, name: &'a str, kind: RecordType)
    -> BoxFuture<'a, Result<Answer, Failure>>;
}

/// The TXT records of a name, the strings of each joined.
pub(super) async fn texts(names: &dyn Names, name: &str) -> Result<Vec<Vec<u8>>, Failure> {
    let answer = names.ask(name, RecordType::TXT).await?;
    let texts = answer.records.iter().filter_map(|record| match record {
        RData::TXT(text) => {
            let pieces = text.txt_data.iter().flat_map(|piece| piece.iter().copied());
            Some(pieces.collect())
        }
        _ => None,
    });
    Ok(texts.collect())
}

/// The addresses of a name that are of the kind of `like`.
pub(super) async fn addresses_like(
    names: &dyn Names,
    name: &str,
    like: IpAddr,
) -> Result<Vec<IpAddr>, Failure> {
    let kind = match like {
        IpAddr::V4(_) => RecordType::A,
        IpAddr::V6(_) => RecordType::AAAA,
    };
    let answer = names.ask(name, kind).await?;
    let addresses = answer.records.iter().filter_map(|record| match record {
        RData::A(a) => Some(IpAddr::V4(a.0)),
        RData::AAAA(a) => Some(IpAddr::V6(a.0)),
        _ => None,
    });
    Ok(addresses.collect())
}

/// The mail exchangers of a name, the most preferred first.
pub(super) async fn exchangers(names: &dyn Names, name: &str) -> Result<Vec<String>, Failure> {
    let answer = names.ask(name, RecordType::MX).await?;
    let mut found: Vec<(u16, String)> = answer
        .records
        .iter()
        .filter_map(|record| match record {
            RData::MX(mx) => Some((mx.preference, text(&mx.exchange)?)),
            _ => None,
        })
        .collect();
    found.sort();
    Ok(found.into_iter().map(|(_, name)| name).collect())
}

/// The names that an address says it has, as [`domain::labels`] gives them.
pub(super) async fn pointers(names: &dyn Names, address: IpAddr) -> Result<Vec<String>, Failure> {
    let zone = match address {
        IpAddr::V4(_) => "in-addr.arpa",
        IpAddr::V6(_) => "ip6.arpa",
    };
    let name = format!("{}.{zone}", reversed(address));
    let answer = names.ask(&name, RecordType::PTR).await?;
    let pointers = answer.records.iter().filter_map(|record| match record {
        RData::PTR(name) => domain::labels(&text(&name.0)?),
        _ => None,
    });
    Ok(pointers.collect())
}

/// A name as text, nothing escaped; `None` for one with bytes that no name in use has.
fn text(name: &Name) -> Option<String> {
    let labels: Option<Vec<&str>> = name
        .iter()
        .map(|label| std::str::from_utf8(label).ok().filter(|l| !l.contains('.')))
        .collect();
    Some(labels?.join("."))
}

/// Whether two addresses agree in their first bits; addresses of different kinds never do.
pub(super) fn same_network(a: IpAddr, b: IpAddr, v4_bits: u8, v6_bits: u8) -> bool {
    fn shifted(bits: u32, all: u32) -> u32 {
        all.saturating_sub(bits)
    }
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            let low = |x: Ipv4Addr| x.to_bits().checked_shr(shifted(v4_bits.into(), 32));
            low(a) == low(b)
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            let low = |x: Ipv6Addr| x.to_bits().checked_shr(shifted(v6_bits.into(), 128));
            low(a) == low(b)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_compared_by_their_first_bits() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(same_network(ip("192.0.2.1"), ip("192.0.2.254"), 24, 0));
        assert!(!same_network(ip("192.0.2.1"), ip("192.0.3.1"), 24, 0));
        assert!(same_network(ip("192.0.2.1"), ip("10.0.0.1"), 0, 128));
        assert!(same_network(ip("2001:db8::1"), ip("2001:db8::2"), 32, 64));
        assert!(!same_network(ip("2001:db8::1"), ip("2001:db8::2"), 0, 128));
        assert!(same_network(ip("2001:db8::1"), ip("::"), 32, 0));
        assert!(!same_network(ip("192.0.2.1"), ip("::"), 0, 0));
    }
}
