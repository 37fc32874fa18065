//! One milter connection: drives the session machine over a socket.
//!
//! Promises: each owed command is answered exactly once; while a verdict is pending the MTA hears
//! PROGRESS; a peer that does not read, does not write or goes away costs one timeout and nothing else;
//! a panic while working on a message is answered tempfail.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::conclusion::Grants;
use super::end::End;
use super::services::Services;
use super::socket::Socket;
use super::transaction::Transaction;
use crate::mail::{Address, Direction, Envelope};
use crate::milter::{Actions, Answers, ConnectInfo, Event, Reply, Session, Stage, Steps};
use crate::router;

/// Room for reading; a body chunk of 64 KiB takes a few reads, an idle connection holds little.
const READ_BYTES: usize = 16 << 10;

/// A connection and everything known on it.
pub(super) struct Connection<S> {
    socket: S,
    /// Which way the mail of this listener goes.
    profile: Direction,
    services: Arc<Services>,
    drain: CancellationToken,
    session: Session,
    input: BytesMut,
    output: BytesMut,
    /// What is known of the SMTP session, copied into each transaction.
    envelope: Envelope,
    /// The transaction in progress. It exists from CONNECT on, so that look-ups start there; before MAIL
    /// it is only prepared.
    transaction: Option<Transaction>,
    in_message: bool,
    /// Something was read since the last write, so no ACK has travelled with a reply.
    unacknowledged: bool,
}

impl<S: Socket> Connection<S> {
    pub(super) fn new(
        socket: S,
        profile: Direction,
        services: Arc<Services>,
        drain: CancellationToken,
    ) -> Self {
        let engine = services.engine.load();
        let answers = Answers {
            connect: engine.chain.begins_early(),
            early: engine.may_decide_early(),
        };
        drop(engine);
        Connection {
            socket,
            profile,
            services,
            drain,
            session: Session::answering(answers),
            input: BytesMut::new(),
            output: BytesMut::new(),
            envelope: nobody(profile),
            transaction: None,
            in_message: false,
            unacknowledged: false,
        }
    }

    /// Serves until the end. A panic inside is caught, the owed reply becomes tempfail.
    /// Gives the label of the end.
    pub(super) async fn serve(mut self) -> &'static str {
        let end = match AssertUnwindSafe(self.run()).catch_unwind().await {
            Ok(Err(end)) => {
                match &end {
                    End::Protocol(e) => tracing::warn!(error = %e, "milter connection dropped"),
                    End::Io(e) => tracing::debug!(error = %e, "milter connection lost"),
                    End::Quit | End::Eof | End::Drain => {}
                    end => tracing::warn!(why = %end, "milter connection closed"),
                }
                end.label()
            }
            Ok(Ok(never)) => match never {},
            Err(_) => {
                self.services.metrics.panics.inc();
                tracing::error!("panic in a session; its message is answered tempfail");
                self.output.clear();
                self.session
                    .reply(&router::tempfail("internal error"), &mut self.output);
                let _ = self.flush().await;
                "panic"
            }
        };
        self.abort();
        let _ = timeout(Duration::from_secs(1), self.socket.shutdown()).await;
        end
    }

    async fn run(&mut self) -> Result<std::convert::Infallible, End> {
        loop {
            while let Some(event) = self.session.next(&mut self.input, &mut self.output)? {
                self.handle(event).await?;
            }
            self.flush().await?;
            self.read().await?;
        }
    }

    async fn read(&mut self) -> Result<(), End> {
        let settings = &self.services.settings;
        let in_message = self.in_message || !self.input.is_empty();
        let idle = !in_message && !self.in_transaction();
        let (limit, late) = match in_message {
            true => (settings.read_timeout, End::ReadTimeout),
            false => (settings.idle_timeout, End::Idle),
        };
        if self.input.is_empty() && self.input.capacity() > READ_BYTES {
            self.input = BytesMut::new();
        }
        self.input.reserve(READ_BYTES);
        if std::mem::take(&mut self.unacknowledged) {
            self.socket.acknowledge();
        }
        let read = self.socket.read_buf(&mut self.input);
        let count = tokio::select! {
            biased;
            count = read => count?,
            () = self.drain.cancelled(), if idle => return Err(End::Drain),
            () = tokio::time::sleep(limit) => return Err(late),
        };
        if count == 0 {
            return Err(End::Eof);
        }
        self.unacknowledged = true;
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), End> {
        if self.output.is_empty() {
            return Ok(());
        }
        self.unacknowledged = false;
        let limit = self.services.settings.write_timeout;
        timeout(limit, self.socket.write_all_buf(&mut self.output))
            .await
            .map_err(|_| End::WriteTimeout)??;
        Ok(())
    }

    fn reply(&mut self, reply: &Reply) {
        self.session.reply(reply, &mut self.output);
    }

    async fn handle(&mut self, event: Event) -> Result<(), End> {
        match event {
            Event::Negotiated => self.negotiated(),
            Event::Connect(info) => self.connect(&info),
            Event::Helo(name) => {
                self.envelope.helo = Some(text(&name));
                self.envelope.tls = self.session.macros().get("tls_version");
                if let Some(prepared) = &mut self.transaction {
                    prepared.helo(&self.envelope);
                }
            }
            Event::Mail(path, args) => self.mail(&path, &args),
            Event::Rcpt(path, _) => {
                self.rcpt(&path);
                return Ok(());
            }
            Event::Header(name, value) => {
                self.in_message = true;
                let leading_space = self.session.leading_space();
                if let Some(transaction) = &mut self.transaction {
                    transaction.header(&name, &value, leading_space);
                }
            }
            Event::EndOfHeaders => {
                if let Some(transaction) = &mut self.transaction {
                    transaction.end_of_headers();
                }
            }
            Event::Body(chunk) => {
                self.body(&chunk);
                return Ok(());
            }
            Event::EndOfMessage => return self.end_of_message().await,
            Event::Abort => self.abort(),
            Event::NewConnection => {
                self.abort();
                self.envelope = nobody(self.profile);
            }
            Event::Quit => return Err(End::Quit),
            Event::Data | Event::Unknown(_) => {}
        }
        self.reply(&Reply::Continue);
        Ok(())
    }

    fn negotiated(&mut self) {
        let agreement = self.session.agreement();
        let missing = |what| {
            tracing::warn!(
                what,
                "the MTA does not offer this; check its milter settings"
            )
        };
        if !self.session.allows(Actions::ADD_HEADERS) {
            missing("adding header fields: messages go unmarked");
        }
        if !self.session.allows(Actions::CHANGE_HEADERS) {
            missing("changing header fields: forged marks stay");
        }
        tracing::debug!(
            version = agreement.version,
            skip = agreement.steps.has(Steps::SKIP),
            "milter options agreed"
        );
    }

    fn connect(&mut self, info: &ConnectInfo) {
        let name = text(&info.hostname);
        let known = !name.is_empty() && !name.starts_with('[') && name != "unknown";
        self.envelope = nobody(self.profile);
        self.envelope.client.addr = info.addr;
        self.envelope.client.port = info.port;
        self.envelope.client.name = known.then_some(name);
        self.envelope.mta = self.session.macros().get("j");
        self.transaction = Some(Transaction::begin(&self.services, &self.envelope));
    }

    fn mail(&mut self, path: &Bytes, args: &[Bytes]) {
        let macros = self.session.macros();
        let mut envelope = self.envelope.clone();
        envelope.sender = Some(Address::new(path));
        envelope.sender_args = args.iter().map(|a| text(a)).collect();
        envelope.authenticated = macros.get("auth_authen");
        envelope.queue_id = macros.get("i");
        let mut transaction = match self.transaction.take() {
            Some(prepared) => prepared,
            None => Transaction::begin(&self.services, &self.envelope),
        };
        transaction.mail(envelope);
        self.transaction = Some(transaction);
    }

    fn rcpt(&mut self, path: &Bytes) {
        let Some(transaction) = &mut self.transaction else {
            return self.reply(&Reply::Continue);
        };
        transaction.rcpt(Address::new(path));
        if self.session.owed().is_some()
            && let Some((reply, verdict)) = transaction.refuses_last()
        {
            transaction.count_refused(&verdict, &reply);
            transaction.drop_last();
            return self.reply(&reply);
        }
        self.reply(&Reply::Continue);
    }

    fn body(&mut self, chunk: &Bytes) {
        self.in_message = true;
        let Some(transaction) = &mut self.transaction else {
            return self.reply(&Reply::Continue);
        };
        transaction.body(chunk);
        let Some(reply) = transaction.early().map(|s| s.reply.clone()) else {
            return self.reply(&Reply::Continue);
        };
        if self.session.agreement().steps.has(Steps::SKIP) {
            // The rest need not come; the answer is given at end of message.
            self.reply(&Reply::Skip);
        } else if self.session.owed() == Some(Stage::Body) {
            transaction.count_sealed(Stage::Body);
            self.reply(&reply);
            self.abort_silently();
        }
    }

    async fn end_of_message(&mut self) -> Result<(), End> {
        let started = Instant::now();
        let Some(mut transaction) = self.transaction.take() else {
            // Cannot be: the machine gives no end of message without MAIL. Unscanned is not delivered.
            self.reply(&Reply::Tempfail);
            return Ok(());
        };
        if let Some(id) = self.session.macros().get("i") {
            transaction.envelope.queue_id = Some(id);
        }
        let grants = Grants {
            hold: self.session.allows(Actions::QUARANTINE),
            drop: self.session.allows(Actions::DELETE_RCPT),
        };
        let mut conclusion = std::pin::pin!(transaction.conclude(grants));
        let interval = self.services.settings.progress_interval;
        let mut progress = tokio::time::interval_at(started + interval, interval);
        let concluded = loop {
            // What the MTA sends now is read only to see it go away; commands wait, within a bound.
            let listen = self.input.len() < READ_BYTES;
            self.input.reserve(READ_BYTES);
            tokio::select! {
                biased;
                concluded = &mut conclusion => break concluded,
                _ = progress.tick() => {
                    if self.session.progress(&mut self.output) {
                        self.flush().await?;
                    }
                }
                count = self.socket.read_buf(&mut self.input), if listen => {
                    if count? == 0 {
                        self.services.metrics.transactions_aborted.inc();
                        return Err(End::Eof);
                    }
                }
            }
        };
        for modification in &concluded.modifications {
            self.session.modify(modification, &mut self.output);
        }
        self.reply(&concluded.reply);
        self.in_message = false;
        self.flush().await?;
        let metrics = &self.services.metrics;
        metrics
            .end_of_message_seconds
            .observe(started.elapsed().as_secs_f64());
        Ok(())
    }

    /// Whether MAIL was given and the message is not answered.
    fn in_transaction(&self) -> bool {
        self.transaction
            .as_ref()
            .is_some_and(|t| t.envelope.sender.is_some())
    }

    /// Drops the transaction in progress; whatever is in flight for it is cancelled.
    fn abort(&mut self) {
        if self.in_transaction() {
            self.services.metrics.transactions_aborted.inc();
        }
        self.abort_silently();
    }

    fn abort_silently(&mut self) {
        if let Some(transaction) = self.transaction.take() {
            transaction.record_early();
        }
        self.in_message = false;
    }
}

/// What is known before CONNECT, without which a transaction may begin too: the way that the mail of the listener goes.
fn nobody(profile: Direction) -> Envelope {
    Envelope {
        direction: profile,
        ..Envelope::default()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
