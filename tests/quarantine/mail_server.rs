//! A mail server made for the purpose, with a quarantine that releases to it.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use mailweir::config::Seconds;
use mailweir::mail::{Address, Envelope};
use mailweir::metrics::Metrics;
use mailweir::quarantine::{Entry, Options, Quarantine, QuarantineError, Redeem, State};
use mailweir::verdict::Verdict;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use ulid::Ulid;

pub(crate) const RAW: &[u8] =
    b"From: a@example.net\r\nSubject: x\r\n\r\n.\r\n..two\r\n\xff 8 bit\r\nlast\r\n\r\n";

/// What the server does otherwise than a good one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    Good,
    /// Offers no extensions.
    Plain,
    /// Refuses recipients that begin with `no`.
    RefusesRecipient,
    /// Refuses the message at its end.
    RefusesMessage,
    /// Takes the message and hangs up without an answer.
    HangsUp,
    /// Never says a word.
    Silent,
}

/// What one connection has brought.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub(crate) mail: String,
    pub(crate) recipients: Vec<String>,
    /// Without dot-stuffing.
    pub(crate) data: Option<Vec<u8>>,
}

async fn line(reader: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    // A server that takes nothing but CRLF for a line end.
    while !line.ends_with(b"\r\n") {
        if reader.read_until(b'\n', &mut line).await.unwrap_or(0) == 0 {
            return None;
        }
    }
    Some(line)
}

async fn serve(stream: TcpStream, server: Server) -> Taken {
    let mut taken = Taken::default();
    let mut stream = BufReader::new(stream);
    if server == Server::Silent {
        let _ = stream.read(&mut [0; 1]).await;
        return taken;
    }
    stream.write_all(b"220 test\r\n").await.unwrap();
    while let Some(command) = line(&mut stream).await {
        let command = String::from_utf8_lossy(&command).trim_end().to_owned();
        let verb = command.get(..4).unwrap_or_default().to_ascii_uppercase();
        let reply: &[u8] = match verb.as_str() {
            "EHLO" if server == Server::Plain => b"250 test\r\n",
            "EHLO" => b"250-test\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n",
            "MAIL" => {
                taken.mail = command;
                b"250 ok\r\n"
            }
            "RCPT" if server == Server::RefusesRecipient && command.contains("<no") => {
                b"550 5.1.1 \x1b[2Jno such user\r\n"
            }
            "RCPT" => {
                taken.recipients.push(command);
                b"250 ok\r\n"
            }
            "DATA" => {
                stream.write_all(b"354 go\r\n").await.unwrap();
                let mut data = Vec::new();
                loop {
                    let line = line(&mut stream).await.unwrap();
                    if line == b".\r\n" {
                        break;
                    }
                    data.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
                }
                taken.data = Some(data);
                match server {
                    Server::HangsUp => return taken,
                    Server::RefusesMessage => b"554 5.7.1 no\r\n",
                    _ => b"250 taken\r\n",
                }
            }
            "QUIT" => {
                let _ = stream.write_all(b"221 bye\r\n").await;
                return taken;
            }
            _ => b"502 what?\r\n",
        };
        stream.write_all(reply).await.unwrap();
    }
    taken
}

pub(crate) struct House {
    /// The daemon's handle.
    pub(crate) daemon: Arc<Quarantine>,
    /// The command's handle, as of another process.
    pub(crate) command: Quarantine,
    pub(crate) listener: TcpListener,
    pub(crate) id: String,
    pub(crate) raw: Bytes,
    _dir: tempfile::TempDir,
}

impl House {
    pub(crate) async fn new(raw: &[u8], recipients: &[&str]) -> House {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut options = Options::default();
        options.release.smtp.value = listener.local_addr().unwrap().to_string();
        options.release.timeout.value = Seconds::new(20);
        House::with(raw, recipients, options, listener).await
    }

    pub(crate) async fn with(
        raw: &[u8],
        to: &[&str],
        options: Options,
        listener: TcpListener,
    ) -> House {
        let dir = tempfile::tempdir().unwrap();
        let metrics = Arc::new(Metrics::new().unwrap());
        let daemon = Quarantine::open(&options, dir.path(), metrics.clone()).await;
        let daemon = Arc::new(daemon.unwrap());
        let envelope = Envelope {
            sender: Some(Address::new(b"<sender@example.net>")),
            recipients: to.iter().map(|r| Address::new(r.as_bytes())).collect(),
            ..Envelope::default()
        };
        let id = Ulid::new().to_string();
        let verdict = Verdict::released();
        let entry = Entry::new(&id, Timestamp::now(), &envelope, "x", &verdict, raw.len());
        let raw = Bytes::copy_from_slice(raw);
        daemon.store(&entry, raw.clone()).await.unwrap();
        let command = Quarantine::attach(&options, dir.path(), metrics)
            .await
            .unwrap();
        House {
            daemon,
            command,
            listener,
            id,
            raw,
            _dir: dir,
        }
    }

    /// Releases while the server serves one connection.
    pub(crate) async fn release(
        &self,
        server: Server,
        again: bool,
    ) -> (Result<(), QuarantineError>, Taken) {
        let work = self.command.release(&self.id, &[], again);
        let (released, taken) = tokio::join!(work, self.serve(server));
        (released.map(|_| ()), taken)
    }

    pub(crate) async fn state(&self) -> State {
        self.daemon.get(&self.id).await.unwrap().state
    }

    /// One connection to the server.
    pub(crate) async fn serve(&self, server: Server) -> Taken {
        let (stream, _) = self.listener.accept().await.unwrap();
        serve(stream, server).await
    }

    /// What the filter says when the MTA brings the message back, with a field of its own on top.
    pub(crate) async fn redeem(&self, data: &[u8]) -> Redeem {
        let (mark, _) = split(data);
        let raw = [b"Received: by mta\r\n", data].concat();
        self.daemon.redeem(&mark, &raw.into()).await.unwrap()
    }
}

/// The mark on top of what was sent, and the rest.
pub(crate) fn split(data: &[u8]) -> (String, &[u8]) {
    let end = data.iter().position(|b| *b == b'\n').unwrap();
    let first = std::str::from_utf8(&data[..end]).unwrap().trim_end();
    let mark = first.strip_prefix("X-Mailweir-Release: ").unwrap();
    (mark.to_owned(), &data[end + 1..])
}
