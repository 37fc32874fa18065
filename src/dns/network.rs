//! Questions to the resolvers over the network: UDP first, TCP when an answer is truncated. No cache, no
//! bound on questions; one question ends within its timeout.

use std::net::SocketAddr;
use std::time::Duration;

use hickory_resolver::Resolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::{DnsError, NetError, NoRecords};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};

use super::failure::Failure;
use super::provider::ConnectedProvider;
use super::settings::Settings;
use crate::config::Problem;

/// Most records of one answer that are looked at.
const RECORDS: usize = 64;

/// The records of a name, none if it has none, and how long the answer holds, if it says so.
pub(super) struct Answer {
    pub(super) records: Vec<RData>,
    /// False where the name does not exist at all (NXDOMAIN).
    pub(super) exists: bool,
    pub(super) ttl: Option<Duration>,
}

/// Resolvers over the network.
pub(super) struct Network(Resolver<ConnectedProvider>);

impl Network {
    /// Uses the resolvers of `settings`, or those of the system when there are none.
    pub(super) fn new(settings: &Settings) -> Result<Network, Problem> {
        let provider = ConnectedProvider::default();
        let mut builder = if settings.resolvers.is_empty() {
            Resolver::builder(provider).map_err(|e| {
                Problem::without_place(format!("no resolver in /etc/resolv.conf: {e}"))
                    .help("name one in `dns.resolvers`")
            })?
        } else {
            let servers = settings.resolvers.iter().map(|a| server(*a)).collect();
            let config = ResolverConfig::from_parts(None, Vec::new(), servers);
            Resolver::builder_with_config(config, provider)
        };
        *builder.options_mut() = resolver_options(settings);
        match builder.build() {
            Ok(resolver) => Ok(Network(resolver)),
            Err(e) => Err(Problem::without_place(format!(
                "cannot use the resolvers: {e}"
            ))),
        }
    }

    /// Asks for the records of type `kind` of `name`, through CNAMEs.
    pub(super) async fn records(&self, name: Name, kind: RecordType) -> Result<Answer, Failure> {
        match self.0.lookup(name, kind).await {
            Ok(lookup) => {
                let answers = lookup.answers();
                let asked = answers.iter().filter(|r| r.record_type() == kind);
                Ok(Answer {
                    records: asked.take(RECORDS).map(|r| r.data.clone()).collect(),
                    exists: true,
                    ttl: answers.iter().map(|r| seconds(r.ttl)).min(),
                })
            }
            Err(error) => match no_records(&error) {
                Some((exists, ttl)) => Ok(Answer {
                    records: Vec::new(),
                    exists,
                    ttl,
                }),
                None => Err(failure(&error)),
            },
        }
    }
}

fn server(address: SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut c| {
        c.port = address.port();
        c
    });
    NameServerConfig::new(address.ip(), true, connections.into())
}

fn resolver_options(settings: &Settings) -> ResolverOpts {
    let mut options = ResolverOpts::default();
    options.timeout = settings.timeout / settings.attempts;
    options.attempts = usize::try_from(settings.attempts.saturating_sub(1)).unwrap_or(0);
    // The cache is ours: it knows the bounds, and who asked what.
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    options.max_active_requests = settings.queries_in_flight.max(1024);
    options
}

fn seconds(ttl: u32) -> Duration {
    Duration::from_secs(u64::from(ttl))
}

/// Whether the answer says that there is nothing: whether the name exists nevertheless, and how long that holds.
fn no_records(error: &NetError) -> Option<(bool, Option<Duration>)> {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(NoRecords {
            response_code: code @ (ResponseCode::NXDomain | ResponseCode::NoError),
            negative_ttl,
            ..
        })) => Some((*code == ResponseCode::NoError, negative_ttl.map(seconds))),
        _ => None,
    }
}

/// The kind of a failure, in words that hold nothing of the answer.
fn failure(error: &NetError) -> Failure {
    match error {
        NetError::Timeout => Failure::timeout(),
        NetError::Io(e) => Failure::down(format!("no resolver could be reached: {}", e.kind())),
        NetError::NoConnections => Failure::down("no resolver could be reached"),
        NetError::Busy => Failure::down("the resolver takes no more questions"),
        NetError::Dns(DnsError::ResponseCode(code)) => Failure::error(match code {
            ResponseCode::ServFail => "the resolver answered SERVFAIL".to_owned(),
            ResponseCode::Refused => "the resolver answered REFUSED".to_owned(),
            other => format!("the resolver answered with code {}", u16::from(*other)),
        }),
        NetError::Truncated => Failure::error("the answer is truncated over TCP too"),
        _ => Failure::error("the answer cannot be read"),
    }
}
