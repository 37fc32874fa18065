//! An object store of the tests' own: as much of WebDAV as is needed, in memory, and able to fail in every way.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// How the store fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// Connections are closed at once.
    Down,
    /// Every request is answered 503, with words that would harm a terminal.
    Refuses,
    /// Nobody answers.
    Silent,
    /// What is read has a byte changed.
    Lies,
    /// What is read is shorter than what was written, and is said to be.
    Short,
    /// What is read ends before it should.
    Cut,
    /// What is written is thanked for and forgotten.
    Forgets,
}

#[derive(Debug)]
struct State {
    objects: BTreeMap<String, Vec<u8>>,
    fault: Fault,
    written: &'static str,
    silenced: Vec<TcpStream>,
}

/// The store; it ends with the test's process.
#[derive(Clone)]
pub(crate) struct Shelf {
    state: Arc<Mutex<State>>,
    pub(crate) url: String,
}

impl Shelf {
    pub(crate) fn start() -> Shelf {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/held", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State {
            objects: BTreeMap::new(),
            fault: Fault::None,
            written: "Thu, 05 Nov 2026 08:00:00 GMT",
            silenced: Vec::new(),
        }));
        let shelf = Shelf { state, url };
        let server = shelf.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = server.clone();
                std::thread::spawn(move || server.answer(stream));
            }
        });
        shelf
    }

    pub(crate) fn fail(&self, fault: Fault) {
        let mut state = self.state.lock().unwrap();
        state.fault = fault;
        state.silenced.clear();
    }

    /// The names of all objects, without the folders they are in.
    pub(crate) fn names(&self) -> Vec<String> {
        let state = self.state.lock().unwrap();
        let names = state
            .objects
            .keys()
            .map(|path| path.rsplit('/').next().unwrap().to_owned());
        names.collect()
    }

    /// Puts an object there that nobody has moved, beside the others.
    pub(crate) fn plant(&self, content: &[u8]) {
        let mut state = self.state.lock().unwrap();
        let any = state.objects.keys().next().unwrap().clone();
        let space = any.rsplitn(3, '/').nth(2).unwrap().to_owned();
        let name = blake3::hash(content).to_hex().to_string();
        let path = format!("{space}/{}/{name}", name.get(..2).unwrap());
        state.objects.insert(path, content.to_vec());
    }

    fn answer(&self, mut stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let mut words = line.split(' ');
        let method = words.next().unwrap_or_default().to_owned();
        let path = words.next().unwrap_or_default().to_owned();
        let mut length = 0;
        loop {
            let mut header = String::new();
            if reader.read_line(&mut header).unwrap_or(0) < 3 {
                break;
            }
            if let Some(value) = header.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let mut state = self.state.lock().unwrap();
        match state.fault {
            Fault::Down => return,
            Fault::Silent => return state.silenced.push(stream),
            Fault::Refuses => {
                drop(state);
                return reply(&mut stream, "503 No", b"\x1b[2J<b>\xe2\x80\xaeno</b>", None);
            }
            _ => {}
        }
        let (status, body, promised) = state.handle(&method, &path, body);
        drop(state);
        reply(&mut stream, status, &body, promised);
    }
}

impl State {
    /// Status, body, and the length that is said when it is another.
    fn handle(
        &mut self,
        method: &str,
        path: &str,
        body: Vec<u8>,
    ) -> (&'static str, Vec<u8>, Option<usize>) {
        let plain = |status| (status, Vec::new(), None);
        match method {
            "PUT" => {
                if self.fault != Fault::Forgets {
                    self.objects.insert(path.to_owned(), body);
                }
                plain("201 Created")
            }
            "DELETE" => match self.objects.remove(path) {
                Some(_) => plain("204 No Content"),
                None => plain("404 Not Found"),
            },
            "GET" => {
                let Some(object) = self.objects.get(path) else {
                    return plain("404 Not Found");
                };
                let (mut object, whole) = (object.clone(), object.len());
                match self.fault {
                    Fault::Lies => object[whole / 2] ^= 1,
                    Fault::Short | Fault::Cut => object.truncate(whole / 2),
                    _ => {}
                }
                let promised = (self.fault == Fault::Cut).then_some(whole);
                ("200 OK", object, promised)
            }
            "PROPFIND" => match self.list(path) {
                Some(list) => ("207 Multi-Status", list.into_bytes(), None),
                None => plain("404 Not Found"),
            },
            _ => plain("405 Method Not Allowed"),
        }
    }

    fn list(&self, folder: &str) -> Option<String> {
        let folder = format!("{}/", folder.trim_end_matches('/'));
        let mut xml = r#"<?xml version="1.0"?><D:multistatus xmlns:D="DAV:">"#.to_owned();
        for (path, object) in self
            .objects
            .iter()
            .filter(|(path, _)| path.starts_with(&folder))
        {
            xml.push_str(&format!(
                "<D:response><D:href>{path}</D:href><D:propstat><D:prop><D:resourcetype/>\
                 <D:getcontentlength>{}</D:getcontentlength><D:getlastmodified>{}</D:getlastmodified>\
                 </D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>",
                object.len(),
                self.written
            ));
        }
        xml.push_str("</D:multistatus>");
        xml.contains("<D:response>").then_some(xml)
    }
}

fn reply(stream: &mut TcpStream, status: &str, body: &[u8], promised: Option<usize>) {
    let length = promised.unwrap_or(body.len());
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    let _ = stream
        .write_all(head.as_bytes())
        .and_then(|()| stream.write_all(body));
}
