//! Why one server gave no answer about a message.

use std::fmt;
use std::io;

use crate::filter::Reason;

/// What went wrong with one server. The texts are printable and short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// No connection.
    Down(String),
    /// It hung: while it took the message, or before it replied.
    Timeout(String),
    /// The time was over before it had had enough of it.
    Late(String),
    /// It closed the connection without a reply.
    Closed,
    /// What it replied is no reply.
    Garbled(String),
    /// It replied that it failed.
    Error(String),
    /// The message is larger than it takes.
    TooLarge(String),
    /// Another server that got the message later answered first.
    Overtaken,
}

impl Failure {
    /// The class that selects the policy.
    pub(super) fn reason(&self) -> Reason {
        match self {
            Failure::Down(_) => Reason::Down,
            Failure::Timeout(_) | Failure::Late(_) | Failure::Overtaken => Reason::Timeout,
            Failure::TooLarge(_) => Reason::TooLarge,
            Failure::Closed | Failure::Garbled(_) | Failure::Error(_) => Reason::Error,
        }
    }

    /// The label of the metric.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Failure::Down(_) => "down",
            Failure::Timeout(_) | Failure::Late(_) => "timeout",
            Failure::Closed => "closed",
            Failure::Garbled(_) => "garbled",
            Failure::Error(_) => "error",
            Failure::TooLarge(_) => "too_large",
            Failure::Overtaken => "overtaken",
        }
    }

    /// Whether the same server would fail on the same message again.
    pub(super) fn is_of_the_message(&self) -> bool {
        matches!(self, Failure::TooLarge(_))
    }

    /// Whether it speaks against the server. An error in a reply may come from the message alone:
    /// three such messages must not take a server out of use. Being overtaken does: a server that hangs would never
    /// be found out otherwise, and the one that was quicker is in use.
    pub(super) fn blames_server(&self) -> bool {
        !matches!(
            self,
            Failure::Error(_) | Failure::Late(_) | Failure::TooLarge(_)
        )
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Down(why) => write!(f, "no connection: {why}"),
            Failure::Timeout(what) | Failure::Late(what) | Failure::TooLarge(what) => {
                f.write_str(what)
            }
            Failure::Overtaken => f.write_str("a server that was asked later answered first"),
            Failure::Closed => f.write_str("closed the connection without a reply"),
            Failure::Garbled(text) => write!(f, "sent what is no reply: {text}"),
            Failure::Error(text) => write!(f, "replied with an error: {text}"),
        }
    }
}

impl std::error::Error for Failure {}

impl From<Failure> for io::Error {
    fn from(failure: Failure) -> io::Error {
        io::Error::other(failure)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        match error.get_ref().and_then(|e| e.downcast_ref::<Failure>()) {
            Some(failure) => failure.clone(),
            // Everything else comes from the socket, whose ends the transport takes care of.
            None => Failure::Down(error.kind().to_string()),
        }
    }
}
