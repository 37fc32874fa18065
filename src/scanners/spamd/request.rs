//! A request: its line and its header fields. In: bytes as they come. Out: the request, once it is there.

use bytes::BytesMut;

use super::reply::{Code, Reply};

/// Longest value of a field that is kept, bytes.
const VALUE_BYTES: usize = 1024;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Check,
    Symbols,
    Report,
    ReportIfSpam,
    Headers,
    Process,
    Ping,
    Tell,
    Skip,
}

impl Command {
    fn parse(word: &str) -> Option<Command> {
        Some(match word {
            "CHECK" => Command::Check,
            "SYMBOLS" => Command::Symbols,
            "REPORT" => Command::Report,
            "REPORT_IFSPAM" => Command::ReportIfSpam,
            "HEADERS" => Command::Headers,
            "PROCESS" => Command::Process,
            "PING" => Command::Ping,
            "TELL" => Command::Tell,
            "SKIP" => Command::Skip,
            _ => return None,
        })
    }

    /// The word in metrics.
    pub(super) fn name(self) -> &'static str {
        match self {
            Command::Check => "check",
            Command::Symbols => "symbols",
            Command::Report => "report",
            Command::ReportIfSpam => "report_ifspam",
            Command::Headers => "headers",
            Command::Process => "process",
            Command::Ping => "ping",
            Command::Tell => "tell",
            Command::Skip => "skip",
        }
    }
}

/// A request without its message.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Request {
    pub(super) command: Command,
    /// Of the protocol, in tenths: 12 for 1.2. It decides which fields an answer has.
    pub(super) version: u32,
    pub(super) content_length: Option<u64>,
    pub(super) user: Option<String>,
    pub(super) compressed: bool,
    /// With TELL: `spam` or `ham`.
    pub(super) class: Option<String>,
    /// With TELL: whether the message is to be learned here.
    pub(super) set_local: bool,
    /// With TELL: whether it is to be forgotten here.
    pub(super) remove_local: bool,
}

impl Request {
    /// Takes a request off the input; `None` while it is not all there.
    pub(super) fn take(input: &mut BytesMut) -> Option<Result<Request, Reply>> {
        let first = line_end(input, 0)?;
        let line = input.get(..first).unwrap_or_default();
        let mut request = match Request::parse_line(line) {
            Ok(request) => request,
            Err(reply) => return Some(Err(reply)),
        };
        // Nothing need follow these.
        if matches!(request.command, Command::Ping | Command::Skip) {
            return Some(Ok(request));
        }
        let mut at = first;
        let head = loop {
            let end = line_end(input, at)?;
            let line = input.get(at..end).unwrap_or_default().trim_ascii();
            at = end;
            if line.is_empty() {
                break at;
            }
            if let Err(reply) = request.field(line) {
                return Some(Err(reply));
            }
        };
        let _ = input.split_to(head);
        Some(Ok(request))
    }

    fn parse_line(line: &[u8]) -> Result<Request, Reply> {
        let shown = String::from_utf8_lossy(line.trim_ascii_end());
        let parsed = shown.split_once(' ').and_then(|(word, protocol)| {
            let version = protocol.trim().strip_prefix("SPAMC/")?;
            let (major, minor) = version.split_once('.')?;
            let digits = |text: &str| text.parse::<u32>().ok().filter(|n| *n < 10);
            Some((word, digits(major)? * 10 + digits(minor)?))
        });
        let Some((word, version)) = parsed else {
            let why = "this is no request of spamd's protocol";
            return Err(Reply::failed(Code::Protocol, why));
        };
        let Some(command) = Command::parse(word) else {
            let why = "there is no such command";
            return Err(Reply::failed(Code::Protocol, why));
        };
        Ok(Request {
            command,
            version,
            content_length: None,
            user: None,
            compressed: false,
            class: None,
            set_local: false,
            remove_local: false,
        })
    }

    fn field(&mut self, line: &[u8]) -> Result<(), Reply> {
        let text = String::from_utf8_lossy(line.get(..VALUE_BYTES).unwrap_or(line));
        let Some((name, value)) = text.split_once(':') else {
            let why = "a line of the request's header is no field";
            return Err(Reply::failed(Code::Protocol, why));
        };
        let value = value.trim();
        let local = || {
            value
                .split(',')
                .any(|w| w.trim().eq_ignore_ascii_case("local"))
        };
        match name.trim().to_ascii_lowercase().as_str() {
            "content-length" => match value.parse() {
                Ok(length) if self.content_length.is_none_or(|known| known == length) => {
                    self.content_length = Some(length);
                }
                _ => {
                    let why = "Content-length is no number, or two of them";
                    return Err(Reply::failed(Code::Protocol, why));
                }
            },
            "user" => self.user = Some(value.to_owned()).filter(|u| !u.is_empty()),
            "compress" if value.eq_ignore_ascii_case("zlib") => self.compressed = true,
            "compress" => {
                let why = "only zlib is known as a form of compression";
                return Err(Reply::failed(Code::Protocol, why));
            }
            "message-class" => self.class = Some(value.to_ascii_lowercase()),
            "set" => self.set_local = local(),
            "remove" => self.remove_local = local(),
            // The protocol asks for unknown fields to be passed over.
            _ => {}
        }
        Ok(())
    }
}

/// Behind the next line end from `at` on.
fn line_end(input: &[u8], at: usize) -> Option<usize> {
    let rest = input.get(at..)?;
    memchr::memchr(b'\n', rest).map(|n| at + n + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(text: &str) -> Option<Result<Request, Reply>> {
        Request::take(&mut BytesMut::from(text))
    }

    #[test]
    fn a_request_is_taken_when_it_is_all_there() {
        let whole = "TELL SPAMC/1.5\r\nContent-Length: 3\r\nUser: ann@example.org\r\nMessage-Class: Spam\r\n\
                     Set: local,remote\r\nCompress: zlib\r\nX-New: 1\r\n\r\n";
        for end in 0..whole.len() {
            assert!(take(whole.get(..end).unwrap()).is_none(), "{end}");
        }
        let mut input = BytesMut::from(format!("{whole}abc").as_str());
        let request = Request::take(&mut input).unwrap().unwrap();
        assert_eq!(&input[..], b"abc");
        assert_eq!((request.command, request.version), (Command::Tell, 15));
        assert_eq!(request.content_length, Some(3));
        assert_eq!(request.user.as_deref(), Some("ann@example.org"));
        assert_eq!(request.class.as_deref(), Some("spam"));
        assert!(request.set_local && !request.remove_local && request.compressed);
        // Bare line feeds do, and nothing need follow a PING.
        assert!(take("CHECK SPAMC/1.2\n\n").unwrap().is_ok());
        assert!(take("PING SPAMC/1.2\r\n").unwrap().is_ok());
    }

    #[test]
    fn what_is_no_request_is_answered_so() {
        for text in [
            "GET / HTTP/1.1\r\n",
            "CHECK\r\n",
            "CHECK SPAMC/1\r\n",
            "CHECK SPAMC/99.1\r\n",
            "check SPAMC/1.5\r\n",
            "LEARN SPAMC/1.5\r\n",
            "\r\n",
            "CHECK SPAMC/1.5\r\nno field\r\n",
            "CHECK SPAMC/1.5\r\nContent-length: -1\r\n",
            "CHECK SPAMC/1.5\r\nContent-length: 99999999999999999999\r\n",
            "CHECK SPAMC/1.5\r\nContent-length: 1\r\nContent-length: 2\r\n",
            "CHECK SPAMC/1.5\r\nCompress: zstd\r\n",
        ] {
            let reply = take(text).unwrap().unwrap_err();
            assert_eq!(reply.code, Code::Protocol, "{text}");
        }
    }
}
