//! Questions to the resolvers. In: a name. Out: the A records and how long they hold, or a failure
//! of one of three kinds. No cache and no DNSSEC here; UDP first, TCP when an answer is truncated.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use hickory_resolver::Resolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::{
    DnsUdpSocket, RuntimeProvider, TokioHandle, TokioRuntimeProvider, TokioTime,
};
use hickory_resolver::net::{DnsError, NetError, NoRecords};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use tokio::io::ReadBuf;

use super::answer::Failure;
use super::settings::Settings;
use crate::config::Problem;
use crate::filter::Reason;

/// The A records of a name, none if it has none, and how long the answer holds, if it says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Records {
    pub(super) addresses: Vec<Ipv4Addr>,
    pub(super) ttl: Option<Duration>,
}

/// Something that knows the A records of names.
pub(super) trait Resolve: Send + Sync + 'static {
    /// The A records of a fully qualified name.
    fn addresses(&self, name: String) -> BoxFuture<'static, Result<Records, Failure>>;
}

/// Resolvers over the network.
pub(super) struct NetworkResolver(Resolver<ConnectedProvider>);

impl NetworkResolver {
    /// Uses the resolvers of `settings`, or those of the system when there are none.
    pub(super) fn new(settings: &Settings) -> Result<NetworkResolver, Problem> {
        let provider = ConnectedProvider::default();
        let mut builder = if settings.resolvers.is_empty() {
            Resolver::builder(provider).map_err(|e| {
                Problem::without_place(format!("no resolver in /etc/resolv.conf: {e}"))
                    .help("name one in `resolvers` of the filter dnsbl")
            })?
        } else {
            let servers = settings.resolvers.iter().map(|a| server(*a)).collect();
            let config = ResolverConfig::from_parts(None, Vec::new(), servers);
            Resolver::builder_with_config(config, provider)
        };
        *builder.options_mut() = resolver_options(settings);
        builder
            .build()
            .map(NetworkResolver)
            .map_err(|e| Problem::without_place(format!("cannot use the resolvers: {e}")))
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
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    // Answers of lists are short; without EDNS no old resolver stumbles.
    options.edns0 = false;
    options.max_active_requests = 1024;
    options
}

impl Resolve for NetworkResolver {
    fn addresses(&self, name: String) -> BoxFuture<'static, Result<Records, Failure>> {
        let resolver = self.0.clone();
        Box::pin(async move {
            let name = Name::from_ascii(&name)
                .map_err(|_| Failure::new(Reason::Error, "the name cannot be asked for"))?;
            match resolver.lookup(name, RecordType::A).await {
                Ok(lookup) => {
                    let records = lookup.answers();
                    let addresses = records.iter().filter_map(|r| match &r.data {
                        RData::A(a) => Some(a.0),
                        _ => None,
                    });
                    Ok(Records {
                        addresses: addresses.collect(),
                        ttl: records.iter().map(|r| seconds(r.ttl)).min(),
                    })
                }
                Err(error) => match no_records(&error) {
                    Some(ttl) => Ok(Records {
                        addresses: Vec::new(),
                        ttl,
                    }),
                    None => Err(failure(&error)),
                },
            }
        })
    }
}

fn seconds(ttl: u32) -> Duration {
    Duration::from_secs(u64::from(ttl))
}

/// Whether the answer says that there is nothing, and how long that holds.
fn no_records(error: &NetError) -> Option<Option<Duration>> {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(NoRecords {
            response_code: ResponseCode::NXDomain | ResponseCode::NoError,
            negative_ttl,
            ..
        })) => Some(negative_ttl.map(seconds)),
        _ => None,
    }
}

/// The kind of a failure, in words that hold nothing of the answer.
fn failure(error: &NetError) -> Failure {
    match error {
        NetError::Timeout => Failure::new(Reason::Timeout, "no answer in time"),
        NetError::Io(e) => Failure::new(
            Reason::Down,
            format!("no resolver could be reached: {}", e.kind()),
        ),
        NetError::NoConnections => Failure::new(Reason::Down, "no resolver could be reached"),
        NetError::Busy => Failure::new(Reason::Down, "the resolver takes no more questions"),
        NetError::Dns(DnsError::ResponseCode(code)) => Failure::new(
            Reason::Error,
            match code {
                ResponseCode::ServFail => "the resolver answered SERVFAIL".to_owned(),
                ResponseCode::Refused => "the resolver answered REFUSED".to_owned(),
                other => format!("the resolver answered with code {}", u16::from(*other)),
            },
        ),
        NetError::Truncated => Failure::new(Reason::Error, "the answer is truncated over TCP too"),
        _ => Failure::new(Reason::Error, "the answer cannot be read"),
    }
}

/// The runtime of tokio, with UDP sockets that are connected: so the kernel drops datagrams from
/// elsewhere, and a resolver that is not there is known at once and not only after the timeout.
#[derive(Clone, Default)]
struct ConnectedProvider(TokioRuntimeProvider);

impl RuntimeProvider for ConnectedProvider {
    type Handle = TokioHandle;
    type Timer = TokioTime;
    type Udp = ConnectedSocket;
    type Tcp = <TokioRuntimeProvider as RuntimeProvider>::Tcp;

    fn create_handle(&self) -> Self::Handle {
        self.0.create_handle()
    }

    fn connect_tcp(
        &self,
        server: SocketAddr,
        bind: Option<SocketAddr>,
        timeout: Option<Duration>,
    ) -> Pin<Box<dyn Send + Future<Output = io::Result<Self::Tcp>>>> {
        self.0.connect_tcp(server, bind, timeout)
    }

    fn bind_udp(
        &self,
        local: SocketAddr,
        server: SocketAddr,
    ) -> Pin<Box<dyn Send + Future<Output = io::Result<Self::Udp>>>> {
        Box::pin(async move {
            let socket = tokio::net::UdpSocket::bind(local).await?;
            socket.connect(server).await?;
            Ok(ConnectedSocket { socket, server })
        })
    }
}

struct ConnectedSocket {
    socket: tokio::net::UdpSocket,
    server: SocketAddr,
}

impl DnsUdpSocket for ConnectedSocket {
    type Time = TokioTime;

    fn poll_recv_from(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        let mut buffer = ReadBuf::new(buffer);
        self.socket
            .poll_recv(cx, &mut buffer)
            .map_ok(|()| (buffer.filled().len(), self.server))
    }

    // "Nobody is there" makes a socket neither readable nor writable, so polling it for reading would
    // wait for the timeout; the async method of tokio waits for errors too. The signature is what the
    // attribute of the trait makes of an async method.
    fn recv_from<'a, 'b, 'c>(
        &'a self,
        buffer: &'b mut [u8],
    ) -> Pin<Box<dyn Future<Output = io::Result<(usize, SocketAddr)>> + Send + 'c>>
    where
        'a: 'c,
        'b: 'c,
        Self: 'c,
    {
        Box::pin(async move { Ok((self.socket.recv(buffer).await?, self.server)) })
    }

    fn poll_send_to(
        &self,
        cx: &mut Context<'_>,
        buffer: &[u8],
        _target: SocketAddr,
    ) -> Poll<io::Result<usize>> {
        self.socket.poll_send(cx, buffer)
    }
}
