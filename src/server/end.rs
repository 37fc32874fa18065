//! How milter connections end.

use crate::milter::ProtocolError;

/// Why a connection ended; the label of `mailweir_session_ends_total`.
#[derive(Debug, thiserror::Error)]
pub(super) enum End {
    #[error("quit")]
    Quit,
    #[error("the MTA closed the connection")]
    Eof,
    #[error("idle for too long")]
    Idle,
    #[error("the MTA stopped in the middle")]
    ReadTimeout,
    #[error("the MTA does not take replies")]
    WriteTimeout,
    #[error("protocol error: {0}")]
    Protocol(#[from] ProtocolError),
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("drained")]
    Drain,
}

impl End {
    pub(super) fn label(&self) -> &'static str {
        match self {
            End::Quit => "quit",
            End::Eof => "eof",
            End::Idle => "idle",
            End::ReadTimeout => "read_timeout",
            End::WriteTimeout => "write_timeout",
            End::Protocol(_) => "protocol",
            End::Io(_) => "io",
            End::Drain => "drain",
        }
    }
}
