//! The session machine: commands in, events and owed replies out.
//!
//! The order of commands follows libmilter's table: a command out of order first aborts the transaction
//! in progress, is then tried from the state after HELO, and is silently ignored when it is not legal
//! there either. The connection is never dropped for order, only for bytes that are no commands.
//! More lenient than libmilter in one point: a body or an end of message without end of headers is
//! taken as if that had come, so that a peer which leaves it out is still answered.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::command::{Command, ConnectInfo, Malformed};
use super::frame::{Frame, FrameError};
use super::macros::{MacroStage, Macros};
use super::negotiation::{Actions, Agreement, Answers, Offer, PeerIncompatible, Steps};
use super::reply::{Modification, Reply};

/// Something that happened, in the words of SMTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Options are agreed on; the answer is written already.
    Negotiated,
    /// The client.
    Connect(ConnectInfo),
    /// HELO or EHLO with its argument.
    Helo(Bytes),
    /// A transaction begins: reverse path and ESMTP arguments.
    Mail(Bytes, Vec<Bytes>),
    /// A recipient: forward path and ESMTP arguments.
    Rcpt(Bytes, Vec<Bytes>),
    /// DATA was given.
    Data,
    /// A header field: name, and value with LF where it is folded. See [`Session::leading_space`].
    Header(Bytes, Bytes),
    /// The header is complete.
    EndOfHeaders,
    /// A piece of the body.
    Body(Bytes),
    /// The message is complete.
    EndOfMessage,
    /// The transaction in progress is given up.
    Abort,
    /// An SMTP command that the MTA does not know.
    Unknown(Bytes),
    /// The session is over; another begins on the same connection.
    NewConnection,
    /// The session is over.
    Quit,
}

/// The command to which a reply is owed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// CONNECT
    Connect,
    /// HELO
    Helo,
    /// MAIL
    Mail,
    /// RCPT
    Rcpt,
    /// DATA
    Data,
    /// A header field
    Header,
    /// End of headers
    EndOfHeaders,
    /// A body chunk
    Body,
    /// End of message
    EndOfMessage,
    /// An unknown command
    Unknown,
}

impl Stage {
    fn no_reply_bit(self) -> Option<Steps> {
        Some(match self {
            Stage::Connect => Steps::NR_CONNECT,
            Stage::Helo => Steps::NR_HELO,
            Stage::Mail => Steps::NR_MAIL,
            Stage::Rcpt => Steps::NR_RCPT,
            Stage::Data => Steps::NR_DATA,
            Stage::Header => Steps::NR_HEADER,
            Stage::EndOfHeaders => Steps::NR_EOH,
            Stage::Body => Steps::NR_BODY,
            Stage::Unknown => Steps::NR_UNKNOWN,
            Stage::EndOfMessage => return None,
        })
    }

    /// The word used in metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Connect => "connect",
            Stage::Helo => "helo",
            Stage::Mail => "mail",
            Stage::Rcpt => "rcpt",
            Stage::Data => "data",
            Stage::Header => "header",
            Stage::EndOfHeaders => "end_of_headers",
            Stage::Body => "body",
            Stage::EndOfMessage => "end_of_message",
            Stage::Unknown => "unknown",
        }
    }
}

/// The peer sent bytes that end the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// The length of a packet is impossible.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A packet is no command.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// No common version.
    #[error(transparent)]
    Incompatible(#[from] PeerIncompatible),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// Before option negotiation.
    New,
    /// Negotiated; CONNECT is next.
    Idle,
    /// Connected, between transactions.
    Greeted,
    Mail,
    Rcpt,
    Data,
    Headers,
    Body,
    /// End of message was given; the final reply is owed.
    Deciding,
}

/// One milter connection, seen from the filter.
#[derive(Debug)]
pub struct Session {
    phase: Phase,
    agreement: Agreement,
    macros: Macros,
    /// The macros of MAIL in force were those of a transaction that has begun. Macros come ahead of their
    /// command, so a MAIL that cuts a transaction off must lose the old ones and keep its own.
    mail_macros_spent: bool,
    queue: VecDeque<(Event, Option<Stage>)>,
    owed: Option<Stage>,
    answers: Answers,
}

impl Default for Session {
    fn default() -> Self {
        Session::new()
    }
}

impl Session {
    /// A connection on which nothing was said; everything that can make a difference will be answered.
    pub fn new() -> Session {
        Session::answering(Answers::ALL)
    }

    /// The same, answering less: the MTA is told not to wait, where it offers that.
    pub fn answering(answers: Answers) -> Session {
        Session {
            answers,
            phase: Phase::New,
            agreement: Agreement {
                version: 2,
                actions: Actions(0),
                steps: Steps(0),
            },
            macros: Macros::default(),
            mail_macros_spent: false,
            queue: VecDeque::new(),
            owed: None,
        }
    }

    /// What was negotiated; before that, nothing is allowed.
    pub fn agreement(&self) -> &Agreement {
        &self.agreement
    }

    /// The macros in force.
    pub fn macros(&self) -> &Macros {
        &self.macros
    }

    /// The command that waits for [`Session::reply`].
    pub fn owed(&self) -> Option<Stage> {
        self.owed
    }

    /// Whether header values are exact after the colon. Otherwise the MTA has removed one space.
    pub fn leading_space(&self) -> bool {
        self.agreement.steps.has(Steps::LEADING_SPACE)
    }

    /// Whether the MTA takes that kind of modification.
    pub fn allows(&self, actions: Actions) -> bool {
        self.agreement.actions.has(actions)
    }

    /// Takes packets off `input` until one of them is an event; `None` when more bytes are needed.
    /// Answers that need no decision are appended to `out`. While a reply is owed nothing is taken:
    /// commands are strictly serial.
    ///
    /// # Errors
    /// The connection must be closed; the transaction in progress is to be treated as aborted.
    pub fn next(
        &mut self,
        input: &mut BytesMut,
        out: &mut BytesMut,
    ) -> Result<Option<Event>, ProtocolError> {
        loop {
            if self.owed.is_some() {
                return Ok(None);
            }
            if let Some((event, owed)) = self.queue.pop_front() {
                self.owed = owed;
                return Ok(Some(event));
            }
            let Some(frame) = Frame::decode(input)? else {
                return Ok(None);
            };
            self.take(Command::parse(frame)?, out)?;
        }
    }

    fn take(&mut self, command: Command, out: &mut BytesMut) -> Result<(), ProtocolError> {
        match command {
            Command::Negotiate(data) => {
                if self.phase == Phase::New {
                    self.agreement = Agreement::with(Offer::parse(&data)?, self.answers);
                    self.agreement.encode(out);
                    self.phase = Phase::Idle;
                    self.push(Event::Negotiated, None);
                } else {
                    self.abort();
                }
            }
            Command::Macros(Some(stage), data) => {
                self.macros.set(stage, &data);
                if stage == MacroStage::Mail {
                    self.mail_macros_spent = false;
                }
            }
            Command::Macros(None, _) => {}
            Command::Connect(info) => {
                if self.phase == Phase::Idle {
                    self.phase = Phase::Greeted;
                    self.push(Event::Connect(info), Some(Stage::Connect));
                } else {
                    self.abort();
                }
            }
            Command::Helo(name) => {
                if self.enter_greeted() {
                    self.push(Event::Helo(name), Some(Stage::Helo));
                }
            }
            Command::Mail(path, args) => {
                if self.enter_greeted() {
                    self.phase = Phase::Mail;
                    self.mail_macros_spent = true;
                    self.push(Event::Mail(path, args), Some(Stage::Mail));
                }
            }
            Command::Rcpt(path, args) => {
                if self.reach(Phase::Mail, Phase::Rcpt, Phase::Rcpt) {
                    self.push(Event::Rcpt(path, args), Some(Stage::Rcpt));
                }
            }
            Command::Data => {
                if self.reach(Phase::Rcpt, Phase::Rcpt, Phase::Data) {
                    self.push(Event::Data, Some(Stage::Data));
                }
            }
            Command::Header(name, value) => {
                if self.reach(Phase::Rcpt, Phase::Headers, Phase::Headers) {
                    self.push(Event::Header(name, value), Some(Stage::Header));
                }
            }
            Command::EndOfHeaders => {
                if self.reach(Phase::Rcpt, Phase::Headers, Phase::Body) {
                    self.push(Event::EndOfHeaders, Some(Stage::EndOfHeaders));
                }
            }
            Command::Body(chunk) => {
                if self.reach_body(Phase::Body) {
                    self.push(Event::Body(chunk), Some(Stage::Body));
                }
            }
            Command::EndOfMessage(chunk) => {
                if self.reach_body(Phase::Deciding) {
                    if !chunk.is_empty() {
                        self.push(Event::Body(chunk), None);
                    }
                    self.push(Event::EndOfMessage, Some(Stage::EndOfMessage));
                }
            }
            Command::Abort => {
                self.abort();
                self.macros.forget_from(MacroStage::Mail);
            }
            Command::Unknown(line) => {
                if self.phase >= Phase::Data {
                    self.abort();
                }
                if self.phase >= Phase::Greeted {
                    self.push(Event::Unknown(line), Some(Stage::Unknown));
                }
            }
            Command::Quit => {
                self.abort();
                self.push(Event::Quit, None);
            }
            Command::QuitNewConnection => {
                self.abort();
                self.macros = Macros::default();
                if self.phase > Phase::New {
                    self.phase = Phase::Idle;
                }
                self.push(Event::NewConnection, None);
            }
        }
        Ok(())
    }

    fn push(&mut self, event: Event, stage: Option<Stage>) {
        let silent = |s: Stage| {
            s.no_reply_bit()
                .is_some_and(|bit| self.agreement.steps.has(bit))
        };
        let owed = stage.filter(|s| !silent(*s));
        self.queue.push_back((event, owed));
    }

    fn abort(&mut self) {
        if self.phase > Phase::Greeted {
            self.phase = Phase::Greeted;
            self.push(Event::Abort, None);
            if self.mail_macros_spent {
                self.macros.forget_from(MacroStage::Mail);
            }
        }
    }

    /// HELO and MAIL are legal at any time after negotiation; in a transaction they end it.
    fn enter_greeted(&mut self) -> bool {
        self.abort();
        if self.phase == Phase::New {
            return false;
        }
        self.phase = Phase::Greeted;
        true
    }

    /// Goes to `to` from any phase between `from` and `until`; otherwise the transaction is over.
    fn reach(&mut self, from: Phase, until: Phase, to: Phase) -> bool {
        if self.phase < from || self.phase > until {
            self.abort();
            return false;
        }
        self.phase = to;
        true
    }

    fn reach_body(&mut self, to: Phase) -> bool {
        let implied = (Phase::Rcpt..=Phase::Headers).contains(&self.phase);
        if !self.reach(Phase::Rcpt, Phase::Body, to) {
            return false;
        }
        if implied {
            self.push(Event::EndOfHeaders, None);
        }
        true
    }

    /// Answers the owed command. [`Reply::Skip`] becomes CONTINUE where it is not possible, and so does
    /// [`Reply::Discard`] where there is no message. A reply that ends the message (or, at RCPT, refuses
    /// one recipient) is followed by no further event of it.
    /// Gives `false`, and writes nothing, when no reply is owed.
    pub fn reply(&mut self, reply: &Reply, out: &mut BytesMut) -> bool {
        let Some(stage) = self.owed.take() else {
            return false;
        };
        let skip = stage == Stage::Body && self.agreement.steps.has(Steps::SKIP);
        let message = !matches!(stage, Stage::Connect | Stage::Helo | Stage::Unknown);
        match reply {
            Reply::Skip if !skip => Reply::Continue.encode(out),
            Reply::Discard if !message => Reply::Continue.encode(out),
            reply => reply.encode(out),
        }
        let refused = matches!(reply, Reply::Reject | Reply::Tempfail | Reply::Text(_));
        let ended = matches!(reply, Reply::Accept | Reply::Discard);
        let over = match stage {
            Stage::EndOfMessage => true,
            Stage::Rcpt => ended,
            _ if !message => false,
            _ => refused || ended,
        };
        if over && self.phase > Phase::Greeted {
            self.phase = Phase::Greeted;
            self.macros.forget_from(MacroStage::Mail);
            self.queue.clear();
        }
        true
    }

    /// Tells the MTA that the verdict is still being worked on. Only while the final reply is owed:
    /// Sendmail takes it for a protocol error anywhere else. Gives whether it was written.
    pub fn progress(&self, out: &mut BytesMut) -> bool {
        let legal = self.owed == Some(Stage::EndOfMessage);
        if legal {
            Frame::encode(b'p', &[], out);
        }
        legal
    }

    /// Writes a modification, if it is legal now and was negotiated. Gives whether it was written.
    pub fn modify(&self, modification: &Modification, out: &mut BytesMut) -> bool {
        let needs = match modification {
            Modification::InsertHeader { .. } => Actions::ADD_HEADERS,
            Modification::DeleteHeader { .. } => Actions::CHANGE_HEADERS,
            Modification::DeleteRecipient { .. } => Actions::DELETE_RCPT,
            Modification::Hold { .. } => Actions::QUARANTINE,
        };
        let legal = self.owed == Some(Stage::EndOfMessage) && self.allows(needs);
        if legal {
            modification.encode(self.leading_space(), out);
        }
        legal
    }
}
