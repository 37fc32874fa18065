//! How many connections each address has, so that one alone cannot take them all.
//!
//! Addresses of IPv6 count by their first 64 bits, because that is what one host has. What is kept are the addresses of the
//! connections that are open, so it is bounded by these.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// The network that a host has.
const NETWORK: u128 = !0 << 64;

/// The connections that are open, by address; clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct ByAddress(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// A connection that counts until it is dropped.
#[derive(Debug)]
pub(super) struct Counted {
    all: ByAddress,
    key: IpAddr,
}

/// What counts as one address.
fn key(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) & NETWORK).into()),
    }
}

impl ByAddress {
    /// One more of an address that may have `most`; `None` where it has them.
    pub(super) fn count(&self, address: IpAddr, most: usize) -> Option<Counted> {
        let key = key(address);
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.get(&key).copied().unwrap_or(0);
        if count >= most {
            return None;
        }
        open.insert(key, count + 1);
        let all = self.clone();
        Some(Counted { all, key })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut open = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        match open.get_mut(&self.key) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                open.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_own_and_gives_them_back() {
        let all = ByAddress::default();
        let count = |address: &str| all.count(address.parse().unwrap(), 2);
        let (first, _second) = (count("192.0.2.1").unwrap(), count("::ffff:192.0.2.1"));
        assert!(count("192.0.2.1").is_none());
        let _other = count("192.0.2.2").unwrap();
        drop(first);
        let _third = count("192.0.2.1").unwrap();
        assert!(count("192.0.2.1").is_none());
        // One host, as many addresses as it likes.
        let _hosts = [
            count("2001:db8::1").unwrap(),
            count("2001:db8::2:1").unwrap(),
        ];
        assert!(count("2001:db8::ffff").is_none());
        assert!(count("2001:db8:0:1::1").is_some());
    }

    #[test]
    fn nothing_is_kept_of_those_who_have_left() {
        let all = ByAddress::default();
        let open: Vec<_> = (0..100u32)
            .filter_map(|n| all.count(IpAddr::V4(n.into()), 1))
            .collect();
        assert_eq!(all.0.lock().unwrap().len(), 100);
        drop(open);
        assert!(all.0.lock().unwrap().is_empty());
    }
}
