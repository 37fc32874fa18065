//! `mailweir send`: hands messages to a milter as a mail server would, and prints what it says.

use std::io::Write;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use bytes::{Bytes, BytesMut};
use clap::Args;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::mail::{Limits, Mail, push_with_crlf};
use crate::milter::{Mta, MtaReply, Steps};
use crate::server::Address;

/// `mailweir send`
#[derive(Debug, Args)]
pub(super) struct SendArgs {
    /// The milter: 127.0.0.1:8895 or unix:/path.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8895")]
    milter: Address,
    /// Client address to claim.
    #[arg(long, value_name = "IP", default_value = "192.0.2.25")]
    client_ip: IpAddr,
    /// Verified host name of the client to claim.
    #[arg(long, value_name = "NAME", default_value = "mail.example.net")]
    client_name: String,
    /// HELO name to claim.
    #[arg(long, value_name = "NAME", default_value = "mail.example.net")]
    helo: String,
    /// Envelope sender; empty for the null sender.
    #[arg(long, value_name = "ADDR", default_value = "sender@example.net")]
    from: String,
    /// Envelope recipient; may be repeated.
    #[arg(long, value_name = "ADDR", default_value = "user@example.org")]
    rcpt: Vec<String>,
    /// Messages, one a file.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

pub(super) fn run(args: SendArgs) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(send(args))
}

async fn send(args: SendArgs) -> anyhow::Result<ExitCode> {
    let stream: Box<dyn Stream> = match &args.milter {
        Address::Tcp(addr) => {
            let socket = tokio::net::TcpStream::connect(addr).await;
            let socket = socket
                .with_context(|| format!("cannot connect to {addr}; is mailweir running?"))?;
            socket.set_nodelay(true)?;
            Box::new(socket)
        }
        Address::Unix(path) => Box::new(tokio::net::UnixStream::connect(path).await.with_context(
            || format!("cannot connect to {}; is mailweir running?", path.display()),
        )?),
    };
    let mut peer = Peer::negotiate(stream).await?;
    peer.greet(&args).await?;
    let mut worst = 0;
    for file in &args.files {
        let raw = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        let answer = peer.message(&args, raw.into()).await?;
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}: {}", file.display(), answer.text)?;
        for header in &answer.headers {
            writeln!(out, "  {header}")?;
        }
        worst = worst.max(answer.exit_code);
    }
    peer.quit().await?;
    Ok(ExitCode::from(worst))
}

/// What became of one message.
struct Answer {
    text: String,
    headers: Vec<String>,
    exit_code: u8,
}

/// The mail server's end of a milter connection.
struct Peer {
    stream: Box<dyn Stream>,
    input: BytesMut,
    output: BytesMut,
    mta: Mta,
}

/// Largest chunk of a body, by protocol.
const CHUNK: usize = 65535;

impl Peer {
    async fn negotiate(stream: Box<dyn Stream>) -> anyhow::Result<Peer> {
        let mut peer = Peer {
            stream,
            input: BytesMut::new(),
            output: BytesMut::new(),
            mta: Mta { steps: Steps(0) },
        };
        Mta::offer(&mut peer.output);
        match peer.reply().await? {
            MtaReply::Negotiated(_, _, steps, _) => peer.mta.steps = steps,
            other => bail!("the milter answered the negotiation with {other:?}"),
        }
        Ok(peer)
    }

    async fn reply(&mut self) -> anyhow::Result<MtaReply> {
        self.stream.write_all_buf(&mut self.output).await?;
        loop {
            if let Some(reply) = Mta::decode(&mut self.input)? {
                return Ok(reply);
            }
            if self.stream.read_buf(&mut self.input).await? == 0 {
                bail!("the milter closed the connection");
            }
        }
    }

    /// Sends a command unless the milter does not want it; the reply, where one is owed.
    async fn command(&mut self, code: u8, strings: &[&[u8]]) -> anyhow::Result<Option<MtaReply>> {
        if !self.mta.sent(code) {
            return Ok(None);
        }
        Mta::command(code, strings, &mut self.output);
        self.answer(code).await
    }

    async fn answer(&mut self, code: u8) -> anyhow::Result<Option<MtaReply>> {
        if !self.mta.answered(code) {
            return Ok(None);
        }
        let reply = self.reply().await?;
        Ok(Some(reply).filter(|r| *r != MtaReply::Continue))
    }

    async fn greet(&mut self, args: &SendArgs) -> anyhow::Result<()> {
        if self.mta.sent(b'C') {
            Mta::macros(b'C', &[("j", "localhost")], &mut self.output);
            Mta::connect(&args.client_name, args.client_ip, &mut self.output);
            self.answer(b'C').await?;
        }
        self.command(b'H', &[args.helo.as_bytes()]).await?;
        Ok(())
    }

    async fn message(&mut self, args: &SendArgs, raw: Bytes) -> anyhow::Result<Answer> {
        let mail = Mail::parse(raw, &Limits::default());
        let ended = self.transaction(args, &mail).await?;
        if let Some(answer) = ended {
            Mta::command(b'A', &[], &mut self.output);
            return Ok(answer);
        }
        Mta::command(b'E', &[], &mut self.output);
        let mut headers = Vec::new();
        let mut held = None;
        let mut dropped = Vec::new();
        loop {
            match self.reply().await? {
                MtaReply::Progress => {}
                MtaReply::InsertHeader(_, name, value) => {
                    headers.insert(0, format!("{name}: {}", value.trim().replace("\n\t", " ")));
                }
                MtaReply::ChangeHeader(index, name, _) => {
                    headers.push(format!("({name} number {index} is removed)"));
                }
                MtaReply::DeleteRecipient(path) => dropped.push(path),
                MtaReply::Hold(reason) => held = Some(reason),
                last => {
                    let mut answer = describe(&last);
                    if let Some(reason) = held {
                        answer.text = format!("held in the queue of the mail server: {reason}");
                    }
                    if !dropped.is_empty() {
                        let dropped = dropped.join(", ");
                        answer
                            .text
                            .push_str(&format!(", but not to {dropped} (quarantine)"));
                    }
                    answer.headers = headers;
                    return Ok(answer);
                }
            }
        }
    }

    /// Everything before end of message; an answer when the message is over before it.
    async fn transaction(
        &mut self,
        args: &SendArgs,
        mail: &Mail,
    ) -> anyhow::Result<Option<Answer>> {
        let path = |address: &str| format!("<{address}>").into_bytes();
        if let Some(refused) = self.command(b'M', &[&path(&args.from)]).await? {
            return Ok(Some(describe(&refused)));
        }
        let mut refusal = None;
        let mut accepted = 0;
        for rcpt in &args.rcpt {
            match self.command(b'R', &[&path(rcpt)]).await? {
                None => accepted += 1,
                Some(refused) => refusal = Some(refused),
            }
        }
        if let (0, Some(refused)) = (accepted, refusal) {
            return Ok(Some(describe(&refused)));
        }
        if let Some(ended) = self.command(b'T', &[]).await? {
            return Ok(Some(describe(&ended)));
        }
        for header in mail.headers() {
            let mut value: Vec<u8> = header.raw.iter().copied().filter(|b| *b != b'\r').collect();
            if !self.mta.steps.has(Steps::LEADING_SPACE) && value.first() == Some(&b' ') {
                value.remove(0);
            }
            if let Some(ended) = self.command(b'L', &[header.name, &value]).await? {
                return Ok(Some(describe(&ended)));
            }
        }
        if let Some(ended) = self.command(b'N', &[]).await? {
            return Ok(Some(describe(&ended)));
        }
        if self.mta.sent(b'B') {
            let mut body = Vec::new();
            push_with_crlf(mail.raw_body(), &mut body);
            for chunk in body.chunks(CHUNK) {
                Mta::body(chunk, &mut self.output);
                match self.answer(b'B').await? {
                    None => {}
                    Some(MtaReply::Skip) => break,
                    Some(ended) => return Ok(Some(describe(&ended))),
                }
            }
        }
        Ok(None)
    }

    async fn quit(&mut self) -> anyhow::Result<()> {
        Mta::command(b'Q', &[], &mut self.output);
        self.stream.write_all_buf(&mut self.output).await?;
        Ok(())
    }
}

fn describe(reply: &MtaReply) -> Answer {
    let (text, exit_code) = match reply {
        MtaReply::Continue | MtaReply::Accept => ("delivered".to_owned(), 0),
        MtaReply::Discard => ("accepted and not delivered (quarantine)".to_owned(), 0),
        MtaReply::Reject => ("rejected".to_owned(), 4),
        MtaReply::Tempfail => ("refused for now".to_owned(), 3),
        MtaReply::Text(text) if text.starts_with('4') => (format!("refused for now: {text}"), 3),
        MtaReply::Text(text) => (format!("rejected: {text}"), 4),
        other => (format!("unexpected reply {other:?}"), 1),
    };
    Answer {
        text,
        headers: Vec::new(),
        exit_code,
    }
}
