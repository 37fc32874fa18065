//! A clamd for tests: takes INSTREAM, PING and VERSION and behaves as a script says.
//!
//! `FakeClamd::start(script)` binds an ephemeral port of 127.0.0.1; the script is called with the number
//! of the stream, from 0, and gives an [`Act`]. Everything is waited for by counting, never by sleeping.
#![allow(dead_code, unreachable_pub)]

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What is done with one stream.
#[derive(Clone, Debug)]
pub enum Act {
    /// Take the message to its end, reply with these bytes, close.
    Reply(&'static [u8]),
    /// The same, once the gate is opened.
    ReplyAtGate(Gate, &'static [u8]),
    /// The same, and leave the connection open.
    ReplyAndStay(&'static [u8]),
    /// Take nothing of the message and stay.
    TakeNothing,
    /// Take the message and never reply.
    Silence,
    /// Take messages of so many bytes and call them clean; to a longer one, reply that it is too large and close
    /// at once, as clamd does at `StreamMaxLength`.
    TakesAtMost(usize),
    /// Close after that many bytes of the message, without a reply; the rest stays unread.
    CloseAfter(usize),
    /// Reply after that many bytes of the message and close; the rest stays unread.
    ReplyAfter(usize, &'static [u8]),
    /// Reply and close at once when the gate is opened, whatever has come.
    ReplyEarlyAtGate(Gate, &'static [u8]),
}

/// Holds something back until it is opened.
#[derive(Clone, Debug)]
pub struct Gate(watch::Sender<bool>);

impl Gate {
    pub fn new() -> Gate {
        Gate(watch::Sender::new(false))
    }

    pub fn open(&self) {
        self.0.send_replace(true);
    }

    pub fn close(&self) {
        self.0.send_replace(false);
    }

    pub async fn pass(&self) {
        let _ = self.0.subscribe().wait_for(|open| *open).await;
    }
}

/// What has happened so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Count {
    /// INSTREAM commands.
    pub streams: usize,
    /// PING commands.
    pub pings: usize,
    /// VERSION commands.
    pub versions: usize,
    /// Bytes of messages.
    pub bytes: usize,
    /// Streams open now.
    pub open: usize,
    /// Most streams open at one time.
    pub most_open: usize,
}

struct Script {
    act: Box<dyn Fn(usize) -> Act + Send + Sync>,
    messages: Mutex<Vec<Vec<u8>>>,
    first_reads: Mutex<Vec<usize>>,
    count: watch::Sender<Count>,
    answers_ping: AtomicBool,
    version: Mutex<String>,
}

/// The reply to VERSION of a clamd whose signatures have that number and age.
pub fn version(number: u32, age: Duration) -> String {
    let built = jiff::Zoned::now() - age;
    format!(
        "ClamAV 1.4.3/{number}/{}",
        built.strftime("%a %b %e %H:%M:%S %Y")
    )
}

/// A running server; it ends when dropped.
pub struct FakeClamd {
    /// As written in the configuration.
    pub server: String,
    script: Arc<Script>,
    _tasks: JoinSet<()>,
}

impl FakeClamd {
    pub async fn start(act: impl Fn(usize) -> Act + Send + Sync + 'static) -> FakeClamd {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = listener.local_addr().unwrap().to_string();
        let script = Script::new(act);
        let mut tasks = JoinSet::new();
        let shared = Arc::clone(&script);
        tasks.spawn(async move {
            let mut clients = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                socket.set_nodelay(true).unwrap();
                clients.spawn(Arc::clone(&shared).serve(socket));
            }
        });
        FakeClamd {
            server,
            script,
            _tasks: tasks,
        }
    }

    pub async fn start_unix(
        path: &Path,
        act: impl Fn(usize) -> Act + Send + Sync + 'static,
    ) -> FakeClamd {
        let listener = UnixListener::bind(path).unwrap();
        let script = Script::new(act);
        let mut tasks = JoinSet::new();
        let shared = Arc::clone(&script);
        tasks.spawn(async move {
            let mut clients = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                clients.spawn(Arc::clone(&shared).serve(socket));
            }
        });
        FakeClamd {
            server: format!("unix:{}", path.display()),
            script,
            _tasks: tasks,
        }
    }

    /// Messages taken whole, in the order in which they ended.
    pub fn messages(&self) -> Vec<Vec<u8>> {
        self.script.messages.lock().unwrap().clone()
    }

    /// Bytes of the first read of each connection.
    pub fn first_reads(&self) -> Vec<usize> {
        self.script.first_reads.lock().unwrap().clone()
    }

    pub fn count(&self) -> Count {
        *self.script.count.borrow()
    }

    /// Waits until `enough` says so.
    pub async fn until(&self, enough: impl FnMut(&Count) -> bool) {
        self.script
            .count
            .subscribe()
            .wait_for(enough)
            .await
            .unwrap();
    }

    /// Whether PING is answered; it is at first.
    pub fn answer_pings(&self, yes: bool) {
        self.script.answers_ping.store(yes, Ordering::SeqCst);
    }
}

impl FakeClamd {
    /// What is said to VERSION from now on. At first it is one that does not tell of signatures.
    pub fn says_version(&self, text: &str) {
        *self.script.version.lock().unwrap() = text.to_owned();
    }
}

impl Script {
    fn new(act: impl Fn(usize) -> Act + Send + Sync + 'static) -> Arc<Script> {
        Arc::new(Script {
            act: Box::new(act),
            messages: Mutex::default(),
            first_reads: Mutex::default(),
            count: watch::Sender::new(Count::default()),
            answers_ping: AtomicBool::new(true),
            version: Mutex::new("ClamAV 1.4.3/27800/fake\u{7}".to_owned()),
        })
    }

    async fn serve<S: AsyncRead + AsyncWrite + Unpin>(self: Arc<Script>, mut socket: S) {
        let mut buffer = vec![0; 64 << 10];
        let mut input = Input {
            bytes: Vec::new(),
            socket: &mut socket,
        };
        let Ok(first) = input.socket.read(&mut buffer).await else {
            return;
        };
        self.first_reads.lock().unwrap().push(first);
        input.bytes.extend(&buffer[..first]);
        let Some(command) = input.command().await else {
            return;
        };
        match command.as_slice() {
            b"zPING" => {
                self.count.send_modify(|c| c.pings += 1);
                if self.answers_ping.load(Ordering::SeqCst) {
                    let _ = socket.write_all(b"PONG\0").await;
                }
            }
            b"zVERSION" => {
                self.count.send_modify(|c| c.versions += 1);
                let reply = format!("{}\0", self.version.lock().unwrap());
                let _ = socket.write_all(reply.as_bytes()).await;
            }
            b"zINSTREAM" => {
                let mut number = 0;
                self.count.send_modify(|c| {
                    number = c.streams;
                    c.streams += 1;
                    c.open += 1;
                    c.most_open = c.most_open.max(c.open);
                });
                let _open = Open(&self.count);
                self.stream((self.act)(number), input).await;
            }
            other => panic!("unknown command {other:?}"),
        }
    }

    async fn stream<S: AsyncRead + AsyncWrite + Unpin>(&self, act: Act, mut input: Input<'_, S>) {
        let mut gone = [0; 1];
        match act {
            Act::TakeNothing => std::future::pending().await,
            Act::TakesAtMost(most) => match input.message(most + 1, &self.count).await {
                Some(message) if message.len() <= most => {
                    self.messages.lock().unwrap().push(message);
                    let _ = input.socket.write_all(b"stream: OK\0").await;
                }
                Some(_) => {
                    let limit = b"INSTREAM size limit exceeded. ERROR\0";
                    let _ = input.socket.write_all(limit).await;
                }
                None => {}
            },
            Act::CloseAfter(most) => {
                input.message(most, &self.count).await;
            }
            Act::ReplyAfter(most, reply) => {
                input.message(most, &self.count).await;
                let _ = input.socket.write_all(reply).await;
            }
            Act::ReplyEarlyAtGate(gate, reply) => {
                tokio::select! {
                    _ = input.message(usize::MAX, &self.count) => panic!("the message ended first"),
                    () = gate.pass() => {}
                }
                let _ = input.socket.write_all(reply).await;
            }
            Act::Silence => {
                if self.whole(&mut input).await {
                    // Until the client goes away.
                    let _ = input.socket.read(&mut gone).await;
                }
            }
            Act::ReplyAndStay(reply) => {
                if self.whole(&mut input).await {
                    let _ = input.socket.write_all(reply).await;
                    let _ = input.socket.read(&mut gone).await;
                }
            }
            Act::ReplyAtGate(gate, reply) => {
                if self.whole(&mut input).await {
                    gate.pass().await;
                    let _ = input.socket.write_all(reply).await;
                }
            }
            Act::Reply(reply) => {
                if self.whole(&mut input).await {
                    let _ = input.socket.write_all(reply).await;
                }
            }
        }
    }

    async fn whole<S: AsyncRead + AsyncWrite + Unpin>(&self, input: &mut Input<'_, S>) -> bool {
        let Some(message) = input.message(usize::MAX, &self.count).await else {
            return false;
        };
        self.messages.lock().unwrap().push(message);
        true
    }
}

struct Open<'a>(&'a watch::Sender<Count>);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|c| c.open -= 1);
    }
}

struct Input<'a, S> {
    bytes: Vec<u8>,
    socket: &'a mut S,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Input<'_, S> {
    async fn command(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(end) = self.bytes.iter().position(|b| *b == 0) {
                let command = self.bytes[..end].to_vec();
                self.bytes.drain(..=end);
                return Some(command);
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> Option<()> {
        let mut buffer = vec![0; 16 << 10];
        match self.socket.read(&mut buffer).await {
            Ok(n) if n > 0 => {
                self.bytes.extend(&buffer[..n]);
                Some(())
            }
            _ => None,
        }
    }

    /// The message, or what came of it when that is `most` bytes; nothing if the client went away.
    async fn message(&mut self, most: usize, count: &watch::Sender<Count>) -> Option<Vec<u8>> {
        let mut message = Vec::new();
        while message.len() < most {
            while self.bytes.len() < 4 {
                self.more().await?;
            }
            let length: [u8; 4] = self.bytes[..4].try_into().unwrap();
            let length = u32::from_be_bytes(length) as usize;
            self.bytes.drain(..4);
            if length == 0 {
                return Some(message);
            }
            let mut left = length;
            while left > 0 && message.len() < most {
                if self.bytes.is_empty() {
                    self.more().await?;
                }
                let part = left.min(self.bytes.len());
                message.extend(self.bytes.drain(..part));
                left -= part;
                count.send_modify(|c| c.bytes += part);
            }
        }
        Some(message)
    }
}
