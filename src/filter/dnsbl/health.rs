//! Whether a list works, by the addresses that RFC 5782, section 5, keeps for this question: a working list
//! has 127.0.0.2 and does not have 127.0.0.1. For IPv6 clients the same holds of `::ffff:127.0.0.2` and
//! `::ffff:127.0.0.1`, but many lists that know IPv6 clients have no such entry, so its absence is said and
//! is no fault.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use futures_util::future::{join, join_all};

use super::answer::Answer;
use super::lookups::Lookups;
use super::options::Options;
use super::question::never_listed;
use super::settings::Settings;
use super::zone::Zone;
use crate::config::{Problems, Source};
use crate::dns::{Dns, Failure, Share};
use crate::filter::probe::{Probe, ProbeError};
use crate::metrics::Metrics;

/// The address that each IPv4 list has.
const LISTED: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
/// The address that each IPv6 list has.
const LISTED_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0x7f00, 2));

/// Asks every list of `options` at once whether it works, each within `timeout`.
///
/// # Errors
/// Every problem in `options`, with its place in `source`; resolvers that cannot be used.
pub async fn health(
    options: &Options,
    dns: &Dns,
    source: &Source,
    metrics: &Arc<Metrics>,
) -> Result<Vec<Probe>, Problems> {
    let settings = Settings::check(options, source)?;
    if settings.zones.is_empty() {
        return Ok(Vec::new());
    }
    dns.usable()?;
    let lookups = Lookups::new(dns.clone(), false, Arc::clone(metrics));
    let share = dns.share(1);
    let probes = settings.zones.iter().map(|zone| {
        let asked = asked(zone, &lookups, &share);
        async {
            let answer = match tokio::time::timeout(settings.timeout, asked).await {
                Ok(answer) => answer,
                Err(_) => Err(format!("no answer within {:?}", settings.timeout)),
            };
            Probe {
                service: zone.name.clone(),
                answer: answer.map_err(ProbeError),
            }
        }
    });
    Ok(join_all(probes).await)
}

async fn asked(zone: &Zone, lookups: &Lookups, share: &Share) -> Result<String, String> {
    let ask = async |client| {
        let (answer, _) = lookups.asked(zone, share, client).await?;
        Ok::<Answer, Failure>(answer)
    };
    let both = async |listed| join(ask(listed), ask(never_listed(listed))).await;
    let (v4, v6) = join(both(LISTED), async {
        match zone.ipv6 {
            true => Some(both(LISTED_V6).await),
            false => None,
        }
    })
    .await;
    let codes = match v4.0 {
        Ok(Answer::Listed(codes)) => codes,
        Ok(Answer::NotListed) => return Err(format!("does not list {LISTED}: it may be gone")),
        Ok(Answer::Refused(code)) => return Err(format!("refuses to answer us ({code})")),
        Ok(Answer::Bogus(address)) => return Err(format!("answers {address}, as no list does")),
        Err(failure) => return Err(failure.detail),
    };
    for (client, unlisted) in [
        (LISTED, Some(&v4.1)),
        (LISTED_V6, v6.as_ref().map(|v6| &v6.1)),
    ] {
        if let Some(Ok(Answer::Listed(_))) = unlisted {
            let never = never_listed(client);
            return Err(format!("lists {never} and so everybody"));
        }
    }
    let codes: Vec<String> = codes.iter().map(Ipv4Addr::to_string).collect();
    let v6 = match v6 {
        None => "not asked for IPv6 clients",
        Some((Ok(Answer::Listed(_)), _)) => "knows IPv6 clients",
        Some(_) => "no test entry for IPv6 clients",
    };
    Ok(format!("lists {LISTED} as {}; {v6}", codes.join(", ")))
}
