//! Addresses and name servers of the hosts of URLs, for lists that know these. Whose name servers do not
//! answer is not the fault of a list: what cannot be found out is left out, and counted.

use std::collections::BTreeSet;
use std::net::IpAddr;

use futures_util::future::{join, join_all};
use tokio::time::Instant;

use super::Shared;
use super::lookups::List;
use super::subject::{Subject, Value};
use crate::dns::{Failure, RData, RecordType};
use crate::heard::Heard;

/// Most addresses and name servers of one host that lists are asked about.
const MOST: usize = 4;

/// What `list` is to be asked about instead of `host`. Half of the time until `deadline` is left for the
/// list.
pub(super) async fn values(
    shared: &Shared,
    list: &List,
    subject: Subject,
    host: &str,
    deadline: Instant,
    heard: &Heard,
) -> Vec<Value> {
    let by = format!("{} of {host} for {}", subject.name(), list.zone.name);
    let by = by.as_str();
    let now = Instant::now();
    let half = now + deadline.saturating_duration_since(now) / 2;
    let found = async {
        match subject {
            Subject::UrlAddress => addresses(shared, list, host, by, heard)
                .await
                .map(as_addresses),
            Subject::UrlNs => {
                let servers = name_servers(shared, host, by, heard).await?;
                let names = servers
                    .iter()
                    .filter_map(|s| shared.settings.sources.name(s));
                let forms = names.flat_map(|name| match name {
                    Value::Name(name) => list.zone.forms(&name),
                    _ => Vec::new(),
                });
                let each: BTreeSet<Value> = forms.collect();
                Ok(each.into_iter().collect())
            }
            Subject::UrlNsAddress => {
                let servers = name_servers(shared, host, by, heard).await?;
                let each = servers
                    .iter()
                    .map(|s| addresses(shared, list, s, by, heard));
                let all = join_all(each).await.into_iter().flatten().flatten();
                Ok(as_addresses(all.collect()))
            }
            _ => Ok(Vec::new()),
        }
    };
    match heard.timed(|| by.to_owned(), half, found).await {
        Ok(Ok(values)) => values,
        Ok(Err(Failure { .. })) | Err(_) => {
            shared.metrics.dnsbl_unresolved.inc();
            Vec::new()
        }
    }
}

fn as_addresses(found: BTreeSet<IpAddr>) -> Vec<Value> {
    found.into_iter().take(MOST).map(Value::Address).collect()
}

/// The addresses of a host that are not one's own.
async fn addresses(
    shared: &Shared,
    list: &List,
    host: &str,
    by: &str,
    heard: &Heard,
) -> Result<BTreeSet<IpAddr>, Failure> {
    let name = format!("{host}.");
    let ask = |kind| {
        let asked = shared.lookups.dns.lookup(&name, kind, &shared.resolving);
        heard.dns(by, &name, kind, asked)
    };
    let v6 = async {
        match list.zone.ipv6 {
            true => ask(RecordType::AAAA).await.ok(),
            false => None,
        }
    };
    let (v4, v6) = join(ask(RecordType::A), v6).await;
    let v4 = v4?;
    let records = v4
        .records
        .iter()
        .chain(v6.iter().flat_map(|f| f.records.iter()));
    Ok(records
        .filter_map(|record| match record {
            RData::A(a) => Some(IpAddr::V4(a.0)),
            RData::AAAA(a) => Some(IpAddr::V6(a.0).to_canonical()),
            _ => None,
        })
        .filter(|a| !shared.settings.sources.trusts(*a))
        .collect())
}

/// The names of the servers of a domain, sorted.
async fn name_servers(
    shared: &Shared,
    domain: &str,
    by: &str,
    heard: &Heard,
) -> Result<BTreeSet<String>, Failure> {
    let name = format!("{domain}.");
    let dns = &shared.lookups.dns;
    let asked = dns.lookup(&name, RecordType::NS, &shared.resolving);
    let found = heard.dns(by, &name, RecordType::NS, asked).await?;
    let names = found.records.iter().filter_map(|record| match record {
        RData::NS(ns) => Some(ns.0.to_ascii().trim_end_matches('.').to_ascii_lowercase()),
        _ => None,
    });
    let all: BTreeSet<String> = names.collect();
    Ok(all.into_iter().take(MOST).collect())
}
