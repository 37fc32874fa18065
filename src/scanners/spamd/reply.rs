//! Answers: a line with a code of sysexits.h, fields, and perhaps a text.

use super::super::door::Outcome;
use super::super::shown::Scored;

/// Codes of sysexits.h, as far as they are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    Ok,
    /// The message is not what was announced, or too long.
    Data,
    /// What is asked for is not to be had here.
    Unavailable,
    /// Better luck later.
    TempFail,
    /// The request is none.
    Protocol,
}

impl Code {
    fn number(self) -> u8 {
        match self {
            Code::Ok => 0,
            Code::Data => 65,
            Code::Unavailable => 69,
            Code::TempFail => 75,
            Code::Protocol => 76,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Code::Ok => "EX_OK",
            Code::Data => "EX_DATAERR",
            Code::Unavailable => "EX_UNAVAILABLE",
            Code::TempFail => "EX_TEMPFAIL",
            Code::Protocol => "EX_PROTOCOL",
        }
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reply {
    pub(super) code: Code,
    /// What stands behind the code; where something went wrong, why.
    pub(super) text: String,
    /// Which version the answer says that it is.
    version: &'static str,
    /// Whole lines, without their ends.
    fields: Vec<String>,
    body: Vec<u8>,
}

impl Reply {
    pub(super) fn failed(code: Code, why: impl Into<String>) -> Reply {
        Reply {
            code,
            text: why.into(),
            version: "1.0",
            fields: Vec::new(),
            body: Vec::new(),
        }
    }

    pub(super) fn pong() -> Reply {
        Reply {
            code: Code::Ok,
            text: "PONG".to_owned(),
            version: "1.5",
            fields: Vec::new(),
            body: Vec::new(),
        }
    }

    fn ok(fields: Vec<String>, body: Vec<u8>) -> Reply {
        Reply {
            code: Code::Ok,
            text: "EX_OK".to_owned(),
            version: "1.1",
            fields,
            body,
        }
    }

    /// What was learned.
    pub(super) fn told(fields: Vec<String>) -> Reply {
        Reply::ok(fields, Vec::new())
    }

    /// A score, and a text of `body` behind it unless it is `None`. Clients of 1.2 and before expect the score alone in
    /// the header, Exim among them.
    pub(super) fn scored(scored: &Scored, version: u32, body: Option<String>) -> Reply {
        let mut fields = Vec::new();
        if let Some(body) = &body
            && version >= 13
        {
            fields.push(length(body.as_bytes()));
        }
        fields.push(spam(scored));
        Reply::ok(fields, body.unwrap_or_default().into_bytes())
    }

    /// A message.
    pub(super) fn message(scored: &Scored, version: u32, body: Vec<u8>) -> Reply {
        let mut fields = Vec::new();
        if version >= 13 {
            fields.push(spam(scored));
        }
        if version >= 12 {
            fields.push(length(&body));
        }
        Reply::ok(fields, body)
    }

    pub(super) fn outcome(&self) -> Outcome {
        match self.code {
            Code::Ok => Outcome::Answered,
            Code::TempFail => Outcome::Failed,
            Code::Unavailable => Outcome::Denied,
            Code::Data | Code::Protocol => Outcome::Bad,
        }
    }

    /// As it goes over the wire: the header, and what follows it.
    pub(super) fn encode(self) -> (Vec<u8>, Vec<u8>) {
        let text = match self.code {
            Code::Ok => self.text,
            code => format!("{}: {}", code.name(), self.text),
        };
        let mut head = format!("SPAMD/{} {} {text}\r\n", self.version, self.code.number());
        for field in &self.fields {
            head.push_str(field);
            head.push_str("\r\n");
        }
        // Behind a failure the connection ends with the line. spamc does not look at the code: an end of the answer is how it
        // knows a failure, and an empty line would make it take TELL for done.
        if !self.fields.is_empty() {
            head.push_str("\r\n");
        }
        (head.into_bytes(), self.body)
    }
}

fn spam(scored: &Scored) -> String {
    let spam = if scored.spam { "True" } else { "False" };
    let Scored {
        score, required, ..
    } = scored;
    format!("Spam: {spam} ; {score:.2} / {required:.2}")
}

fn length(body: &[u8]) -> String {
    format!("Content-length: {}", body.len())
}
