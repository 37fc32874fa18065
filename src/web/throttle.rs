//! How fast passwords may be tried. Failures are counted by name and by address; after [`FREE`] of them each further
//! one doubles the wait, up to [`LONGEST_NAME`] for a name (so that a stranger cannot lock an admin out for long) and
//! [`LONGEST_ADDRESS`] for an address. What failed is forgotten after [`FORGOTTEN`]. Each table has [`ENTRIES`]
//! entries at most; when it is full, the one that failed longest ago goes.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Failures without a wait.
const FREE: u32 = 5;
/// Longest wait for a name.
const LONGEST_NAME: Duration = Duration::from_secs(60);
/// Longest wait for an address.
const LONGEST_ADDRESS: Duration = Duration::from_secs(900);
/// From which time without a failure on nothing is held against anybody.
const FORGOTTEN: Duration = Duration::from_secs(3600);
/// Names and addresses that are remembered, of each.
const ENTRIES: usize = 10_000;

/// Failures of one name or address.
#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    last: Instant,
}

#[derive(Debug, Default)]
struct Tables {
    names: HashMap<[u8; 32], Failures>,
    addresses: HashMap<IpAddr, Failures>,
}

/// What was tried and failed.
#[derive(Debug, Default)]
pub(super) struct Throttle(Mutex<Tables>);

impl Throttle {
    /// Counts a try. It counts as a failure until [`Throttle::passed`], so that many tries at one time are no way
    /// around. Without a name, which a provider tells only afterwards, the address alone counts.
    ///
    /// # Errors
    /// How long to wait before the next; the password is not to be looked at.
    pub(super) fn attempt(
        &self,
        name: Option<&str>,
        address: IpAddr,
        now: Instant,
    ) -> Result<(), Duration> {
        let mut tables = self.tables();
        let (name, address) = (name.map(key), network(address));
        let of_name = name.and_then(|name| tables.names.get(&name));
        let waits = [
            wait(of_name, LONGEST_NAME, now),
            wait(tables.addresses.get(&address), LONGEST_ADDRESS, now),
        ];
        match waits.into_iter().flatten().max() {
            Some(wait) => Err(wait),
            None => {
                if let Some(name) = name {
                    fail(&mut tables.names, name, now);
                }
                fail(&mut tables.addresses, address, now);
                Ok(())
            }
        }
    }

    /// The password was right: nothing is held against this name, and the try not against the address.
    pub(super) fn passed(&self, name: Option<&str>, address: IpAddr) {
        let mut tables = self.tables();
        if let Some(name) = name {
            tables.names.remove(&key(name));
        }
        if let Some(failures) = tables.addresses.get_mut(&network(address)) {
            failures.count = failures.count.saturating_sub(1);
        }
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Names may be long.
fn key(name: &str) -> [u8; 32] {
    *blake3::hash(name.to_lowercase().as_bytes()).as_bytes()
}

/// Who has one IPv6 address has 2^64 of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) & !u128::from(u64::MAX)).into()),
        v4 => v4,
    }
}

/// What is left of the wait after so many failures.
fn wait(failures: Option<&Failures>, longest: Duration, now: Instant) -> Option<Duration> {
    let failures = failures?;
    let beyond = failures.count.checked_sub(FREE)?;
    let since = now.saturating_duration_since(failures.last);
    if since >= FORGOTTEN {
        return None;
    }
    let wait = Duration::from_secs(1u64.checked_shl(beyond).unwrap_or(u64::MAX)).min(longest);
    wait.checked_sub(since).filter(|left| !left.is_zero())
}

fn fail<K: std::hash::Hash + Eq + Copy>(table: &mut HashMap<K, Failures>, key: K, now: Instant) {
    if table.len() >= ENTRIES && !table.contains_key(&key) {
        let oldest = table.iter().min_by_key(|(_, f)| f.last).map(|(k, _)| *k);
        if let Some(oldest) = oldest {
            table.remove(&oldest);
        }
    }
    let failures = table.entry(key).or_insert(Failures {
        count: 0,
        last: now,
    });
    if now.saturating_duration_since(failures.last) >= FORGOTTEN {
        failures.count = 0;
    }
    failures.count = failures.count.saturating_add(1);
    failures.last = now;
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn other(n: u32) -> IpAddr {
        IpAddr::V4((0x0a00_0000 + n).into())
    }

    #[test]
    fn after_a_few_failures_each_wait_is_twice_the_last() {
        let throttle = Throttle::default();
        let mut now = Instant::now();
        for _ in 0..FREE {
            assert_eq!(throttle.attempt(Some("ann"), HOME, now), Ok(()));
        }
        for seconds in [1, 2, 4, 8, 16, 32] {
            let wait = throttle.attempt(Some("ann"), HOME, now).unwrap_err();
            assert_eq!(wait, Duration::from_secs(seconds));
            now += wait;
            assert_eq!(throttle.attempt(Some("ANN"), HOME, now), Ok(()));
        }
    }

    #[test]
    fn a_name_waits_a_minute_at_most_and_an_address_a_quarter_of_an_hour() {
        let throttle = Throttle::default();
        let now = Instant::now();
        let far = now + Duration::from_secs(2 * 3600);
        let mut at = now;
        for n in 0..40 {
            if let Err(wait) = throttle.attempt(Some("ann"), other(n), at) {
                assert!(wait <= LONGEST_NAME);
                at += wait;
                throttle.attempt(Some("ann"), other(n), at).unwrap();
            }
        }
        let mut at = now;
        for n in 0..40 {
            let name = format!("user{n}");
            if let Err(wait) = throttle.attempt(Some(&name), HOME, at) {
                assert!(wait <= LONGEST_ADDRESS);
                at += wait;
                throttle.attempt(Some(&name), HOME, at).unwrap();
            }
        }
        assert!(throttle.attempt(Some("new"), HOME, at).is_err());
        assert_eq!(
            throttle.attempt(Some("new"), HOME, far + FORGOTTEN * 9),
            Ok(())
        );
    }

    #[test]
    fn the_right_password_is_held_against_nobody() {
        let throttle = Throttle::default();
        let now = Instant::now();
        for _ in 0..50 {
            assert_eq!(throttle.attempt(Some("ann"), HOME, now), Ok(()));
            throttle.passed(Some("ann"), HOME);
        }
    }

    #[test]
    fn memory_is_bounded() {
        let throttle = Throttle::default();
        let start = Instant::now();
        for n in 0..12_000u32 {
            let now = start + Duration::from_millis(n.into());
            let _ = throttle.attempt(Some(&format!("name{n}")), other(n), now);
        }
        let tables = throttle.tables();
        assert_eq!(tables.names.len(), ENTRIES);
        assert_eq!(tables.addresses.len(), ENTRIES);
        assert!(tables.addresses.contains_key(&other(11_999)));
        assert!(!tables.addresses.contains_key(&other(0)));
    }

    #[test]
    fn neighbours_in_a_network_of_ipv6_share_their_failures() {
        let a: IpAddr = "2001:db8:1:2::1".parse().unwrap();
        let b: IpAddr = "2001:db8:1:2:ffff::9".parse().unwrap();
        assert_eq!(network(a), network(b));
        assert_eq!(network("::ffff:192.0.2.1".parse().unwrap()), HOME);
    }
}
