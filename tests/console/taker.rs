//! A mail server that takes everything and remembers the recipients.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::daemon::Config;
use super::site::Site;

/// The server.
pub(crate) struct Taker {
    pub(crate) port: u16,
    taken: Arc<Mutex<Vec<String>>>,
}

impl Taker {
    pub(crate) fn start() -> Taker {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let taken = Arc::new(Mutex::new(Vec::new()));
        let log = taken.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let log = log.clone();
                std::thread::spawn(move || take(stream, &log));
            }
        });
        Taker { port, taken }
    }

    pub(crate) fn recipients(&self) -> Vec<String> {
        self.taken.lock().unwrap().clone()
    }

    /// A console with a quarantine whose releases go here; `more` are further keys of `quarantine`.
    pub(crate) fn site(&self, more: &str) -> Site {
        let sections = format!(
            "quarantine: {{ release: {{ smtp: \"127.0.0.1:{}\" }}, forward: {{ to: analyst@example.com }}{more} }}\n",
            self.port
        );
        Site::new(Config {
            sections,
            ..Config::default()
        })
    }
}

fn take(stream: TcpStream, log: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut out = stream.try_clone()?;
    let mut lines = BufReader::new(stream);
    out.write_all(b"220 taker\r\n")?;
    let mut recipients = Vec::new();
    loop {
        let mut line = Vec::new();
        if lines.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        if let Some(recipient) = line.strip_prefix("RCPT TO:") {
            recipients.push(recipient.to_owned());
        }
        let reply: &[u8] = match line.get(..4).unwrap_or_default() {
            "EHLO" => b"250-taker\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n",
            "DATA" => {
                out.write_all(b"354 go\r\n")?;
                loop {
                    let mut line = Vec::new();
                    lines.read_until(b'\n', &mut line)?;
                    if line == b".\r\n" {
                        break;
                    }
                }
                log.lock().unwrap().append(&mut recipients);
                b"250 taken\r\n"
            }
            "QUIT" => {
                out.write_all(b"221 bye\r\n")?;
                return Ok(());
            }
            _ => b"250 ok\r\n",
        };
        out.write_all(reply)?;
    }
}
