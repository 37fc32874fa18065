//! A DNS server for tests: answers on UDP and TCP as a script says, also wrongly, late or never.
//!
//! `FakeDns::start(handler)` binds an ephemeral port of 127.0.0.1; the handler is called for each
//! question and gives a [`Reply`]. Nothing in here sleeps except `Reply::After`, and that only where a
//! test is about time.
#![allow(dead_code, unreachable_pub)]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::rdata::{A, SOA};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;

pub mod rbldnsd;

/// Longest wait for something that happens unless the test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Lower case, without the final dot.
    pub name: String,
    pub kind: RecordType,
    pub tcp: bool,
}

/// What is answered.
#[derive(Clone, Debug)]
pub enum Reply {
    /// A records and their TTL, seconds.
    A(Vec<[u8; 4]>, u32),
    /// Any records.
    Records(Vec<Record>),
    /// No such name; TTL of the negative answer, none without an SOA record.
    NxDomain(Option<u32>),
    /// The name exists, without records of that type.
    NoData,
    /// An error code: `ResponseCode::ServFail`, `ResponseCode::Refused`, ...
    Code(ResponseCode),
    /// Nothing at all.
    Silence,
    /// Bytes that are no DNS message.
    Garbage,
    /// An empty answer with the TC bit over UDP, the given one over TCP.
    Truncated(Box<Reply>),
    /// A forged answer with a wrong id first, then the given one.
    Spoofed(Box<Reply>, Box<Reply>),
    /// The given one, as the answer to another question.
    OtherQuestion(Box<Reply>),
    /// The given one after a while.
    After(Duration, Box<Reply>),
    /// The given one once the gate is opened.
    Gate(Gate, Box<Reply>),
}

/// Holds answers back until it is opened.
#[derive(Clone, Debug)]
pub struct Gate(watch::Sender<bool>);

impl Gate {
    pub fn new() -> Gate {
        Gate(watch::Sender::new(false))
    }

    pub fn open(&self) {
        self.0.send_replace(true);
    }

    async fn pass(&self) {
        let _ = self.0.subscribe().wait_for(|open| *open).await;
    }
}

type Handler = dyn Fn(&Question) -> Reply + Send + Sync;

struct Script {
    handler: Box<Handler>,
    seen: Mutex<Vec<Question>>,
    count: watch::Sender<usize>,
}

/// A running server; it ends when dropped.
pub struct FakeDns {
    pub addr: SocketAddr,
    script: Arc<Script>,
    _tasks: JoinSet<()>,
}

impl FakeDns {
    pub async fn start(handler: impl Fn(&Question) -> Reply + Send + Sync + 'static) -> FakeDns {
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            // The same port may be taken for TCP by someone else.
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
                break (Arc::new(udp), tcp);
            }
        };
        let addr = udp.local_addr().unwrap();
        let script = Arc::new(Script {
            handler: Box::new(handler),
            seen: Mutex::default(),
            count: watch::Sender::new(0),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(serve_udp(udp, Arc::clone(&script)));
        tasks.spawn(serve_tcp(tcp, Arc::clone(&script)));
        FakeDns {
            addr,
            script,
            _tasks: tasks,
        }
    }

    /// Everything asked so far, in order.
    pub fn questions(&self) -> Vec<Question> {
        self.script.seen.lock().unwrap().clone()
    }

    /// How often `name` was asked for.
    pub fn count(&self, name: &str) -> usize {
        self.questions().iter().filter(|q| q.name == name).count()
    }

    /// Waits until at least `n` questions have come.
    pub async fn asked(&self, n: usize) {
        let mut count = self.script.count.subscribe();
        let asked = tokio::time::timeout(PATIENCE, count.wait_for(|c| *c >= n)).await;
        assert!(
            asked.is_ok(),
            "{n} questions; asked: {:?}",
            self.questions()
        );
    }
}

impl Script {
    /// The bytes to send for one request, in order; each is one datagram or one TCP message.
    async fn answer(&self, request: &[u8], tcp: bool) -> Vec<Vec<u8>> {
        let request =
            Message::from_vec(request).expect("our own client sends well-formed questions");
        let query = &request.queries[0];
        let question = Question {
            name: query
                .name()
                .to_ascii()
                .trim_end_matches('.')
                .to_ascii_lowercase(),
            kind: query.query_type(),
            tcp,
        };
        self.seen.lock().unwrap().push(question.clone());
        self.count.send_modify(|c| *c += 1);
        let mut reply = (self.handler)(&question);
        let mut datagrams = Vec::new();
        loop {
            reply = match reply {
                Reply::After(time, next) => {
                    tokio::time::sleep(time).await;
                    *next
                }
                Reply::Gate(gate, next) => {
                    gate.pass().await;
                    *next
                }
                Reply::Spoofed(forged, next) => {
                    let mut forged = encode(&request, &forged, false);
                    forged[0] ^= 0x55;
                    datagrams.push(forged);
                    *next
                }
                Reply::OtherQuestion(next) => {
                    let mut other = request.clone();
                    let name = Name::from_ascii("other.example.").unwrap();
                    other.queries[0].set_name(name);
                    datagrams.push(encode(&other, &next, false));
                    return datagrams;
                }
                Reply::Truncated(next) if tcp => *next,
                Reply::Silence => return datagrams,
                Reply::Garbage => {
                    let mut bytes = request.metadata.id.to_be_bytes().to_vec();
                    bytes.extend([0xff; 7]);
                    datagrams.push(bytes);
                    return datagrams;
                }
                Reply::Truncated(next) => {
                    let _ = next;
                    datagrams.push(encode(&request, &Reply::NoData, true));
                    return datagrams;
                }
                plain => {
                    datagrams.push(encode(&request, &plain, false));
                    return datagrams;
                }
            };
        }
    }
}

fn encode(request: &Message, reply: &Reply, truncated: bool) -> Vec<u8> {
    let query = request.queries[0].clone();
    let name = query.name().clone();
    let mut message = Message::new(
        request.metadata.id,
        MessageType::Response,
        request.metadata.op_code,
    );
    message.metadata.recursion_desired = true;
    message.metadata.recursion_available = true;
    message.metadata.truncation = truncated;
    message.add_query(query);
    match reply {
        Reply::A(addresses, ttl) => {
            message.add_answers(addresses.iter().map(|a| {
                let a = RData::A(A(Ipv4Addr::from(*a)));
                Record::from_rdata(name.clone(), *ttl, a)
            }));
        }
        Reply::Records(records) => {
            message.add_answers(records.iter().cloned());
        }
        Reply::NxDomain(ttl) => {
            message.metadata.response_code = ResponseCode::NXDomain;
            if let Some(ttl) = ttl {
                let apex = Name::from_ascii("ns.example.org.").unwrap();
                let soa = SOA::new(apex.clone(), apex, 1, 60, 60, 60, *ttl);
                message.add_authority(Record::from_rdata(name.base_name(), *ttl, RData::SOA(soa)));
            }
        }
        Reply::NoData => {}
        Reply::Code(code) => message.metadata.response_code = *code,
        other => panic!("{other:?} cannot be sent as it is"),
    }
    message.to_vec().unwrap()
}

async fn serve_udp(socket: Arc<UdpSocket>, script: Arc<Script>) {
    let mut tasks = JoinSet::new();
    let mut buffer = vec![0; 4096];
    loop {
        let Ok((length, peer)) = socket.recv_from(&mut buffer).await else {
            // A client that is gone shows as an error of the socket on some systems.
            continue;
        };
        let request = buffer[..length].to_vec();
        let (socket, script) = (Arc::clone(&socket), Arc::clone(&script));
        tasks.spawn(async move {
            for datagram in script.answer(&request, false).await {
                let _ = socket.send_to(&datagram, peer).await;
            }
        });
    }
}

async fn serve_tcp(listener: TcpListener, script: Arc<Script>) {
    let mut tasks = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        tasks.spawn(serve_tcp_client(stream, Arc::clone(&script)));
    }
}

async fn serve_tcp_client(mut stream: TcpStream, script: Arc<Script>) {
    while let Ok(length) = stream.read_u16().await {
        let mut request = vec![0; usize::from(length)];
        if stream.read_exact(&mut request).await.is_err() {
            return;
        }
        for message in script.answer(&request, true).await {
            let length = u16::try_from(message.len()).unwrap();
            let framed = [&length.to_be_bytes(), message.as_slice()].concat();
            if stream.write_all(&framed).await.is_err() {
                return;
            }
        }
    }
}
