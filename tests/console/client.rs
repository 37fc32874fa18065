//! Requests as a browser or a program would send them, byte for byte where that matters.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use super::place::{PATIENCE, wait_for};

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    /// A field of the head, by its name in small letters.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The pair of name and value that a browser would send back.
    pub(crate) fn cookie(&self) -> Option<String> {
        let field = self.field("set-cookie")?;
        Some(field.split(';').next().unwrap().to_owned())
    }

    /// The word of the session in a form of the page.
    pub(crate) fn form_token(&self) -> String {
        let (_, rest) = self
            .body
            .split_once("name=\"form_token\" value=\"")
            .unwrap();
        rest.split('"').next().unwrap().to_owned()
    }
}

/// A request in the making.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    port: u16,
    method: &'static str,
    path: String,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    pub(crate) fn new(port: u16, method: &'static str, path: &str) -> Request {
        Request {
            port,
            method,
            path: path.to_owned(),
            fields: Vec::new(),
            body: Vec::new(),
        }
    }

    pub(crate) fn field(mut self, name: &str, value: &str) -> Request {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With the cookie of a session.
    pub(crate) fn session(self, cookie: &str) -> Request {
        self.field("Cookie", cookie)
    }

    /// As a page of the console at this port sends a form.
    pub(crate) fn form(self, fields: &[(&str, &str)]) -> Request {
        let origin = format!("http://127.0.0.1:{}", self.port);
        self.field("Origin", &origin).encoded(fields)
    }

    /// The same, from nowhere.
    pub(crate) fn encoded(self, fields: &[(&str, &str)]) -> Request {
        let pairs = fields.iter().map(|(k, v)| format!("{k}={}", percent(v)));
        let body = pairs.collect::<Vec<_>>().join("&");
        let mut request = self.field("Content-Type", "application/x-www-form-urlencoded");
        request.body = body.into_bytes();
        request
    }

    pub(crate) fn body(mut self, body: &[u8]) -> Request {
        self.body = body.to_vec();
        self
    }

    /// Sends it, and leaves when what it asks for has begun.
    pub(crate) fn send_and_leave(&self, mut has_begun: impl FnMut() -> bool) {
        let stream = self.sent();
        wait_for("the beginning", || has_begun().then_some(()));
        drop(stream);
    }

    fn sent(&self) -> TcpStream {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut head = format!(
            "{} {} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n",
            self.method, self.path, self.port
        );
        for (name, value) in &self.fields {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if self.method != "GET" {
            head.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
        // Who refuses a long body may close before it has come.
        let _ = stream.write_all(&self.body);
        stream
    }

    pub(crate) fn send(&self) -> Answer {
        let mut stream = self.sent();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).unwrap_or_else(|| panic!("{answer}"));
        Answer {
            status: status.parse().unwrap(),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }
}

/// Text as it may stand in an address or a form.
pub(crate) fn percent(text: &str) -> String {
    let byte = |b: u8| match b {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(b).to_string(),
        b => format!("%{b:02X}"),
    };
    text.bytes().map(byte).collect()
}
