//! A clamd that misbehaves as told.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

use super::place::{free_port, wait_for};

/// What a false clamd does with a stream.
#[derive(Clone, Debug)]
pub(crate) enum Manner {
    /// Nobody listens.
    Absent,
    /// Takes the connection and never reads.
    Deaf,
    /// Reads all of the stream and never answers.
    Mute,
    /// Closes after that many bytes of the stream.
    Closes(usize),
    /// Reads all of the stream and answers with these bytes, then closes.
    Says(&'static [u8]),
    /// Reads all of the stream, answers with these bytes, and stays.
    Begins(&'static [u8]),
    /// Answers with these bytes as soon as that many have come, then closes.
    Interrupts(usize, &'static [u8]),
    /// Reads all of the stream and answers `stream: OK` once the gate is open.
    Waits(Gate),
    /// Another manner for each stream, by its number.
    Moody(fn(usize) -> Manner),
}

/// Holds answers back until it is opened.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub(crate) fn close(&self) {
        *self.0.0.lock().unwrap() = false;
    }

    pub(crate) fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    fn pass(&self) {
        let guard = self.0.0.lock().unwrap();
        drop(self.0.1.wait_while(guard, |open| !*open).unwrap());
    }
}

#[derive(Default)]
struct Seen {
    begun: usize,
    bytes: usize,
    complete: usize,
}

/// A false clamd; it ends with the process of the tests.
pub(crate) struct FalseClamd {
    pub(crate) port: u16,
    seen: Arc<Mutex<Seen>>,
}

impl FalseClamd {
    pub(crate) fn start(manner: Manner) -> FalseClamd {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let shared = Arc::clone(&seen);
        if matches!(manner, Manner::Absent) {
            return FalseClamd {
                port: free_port(),
                seen,
            };
        }
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let manner = manner.clone();
                let seen = Arc::clone(&shared);
                std::thread::spawn(move || {
                    // A client that gave up shows as an error here and concerns nobody.
                    let _ = serve(stream, &manner, &seen);
                });
            }
        });
        FalseClamd { port, seen }
    }

    /// Bytes of streams that have come so far, over all connections.
    pub(crate) fn bytes(&self) -> usize {
        self.seen.lock().unwrap().bytes
    }

    /// Streams that have come to their end.
    pub(crate) fn streams(&self) -> usize {
        self.seen.lock().unwrap().complete
    }

    /// Waits until more than `count` streams have come to their end.
    pub(crate) fn wait_for_stream_after(&self, count: usize) {
        wait_for("the end of a stream at clamd", || {
            (self.streams() > count).then_some(())
        });
    }
}

fn serve(mut stream: TcpStream, manner: &Manner, seen: &Mutex<Seen>) -> std::io::Result<()> {
    if matches!(manner, Manner::Deaf) {
        // Kept open without reading until the peer goes; peeking takes nothing off the socket.
        let mut byte = [0];
        stream.peek(&mut byte)?;
        std::thread::park();
        return Ok(());
    }
    let mut command = Vec::new();
    while !command.ends_with(b"\0") && !command.ends_with(b"\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        command.push(byte[0]);
    }
    match command.as_slice() {
        b"zPING\0" | b"nPING\n" => return stream.write_all(b"PONG\0"),
        b"zVERSION\0" | b"nVERSION\n" => return stream.write_all(b"ClamAV 1.4.6/1/now\0"),
        b"zINSTREAM\0" | b"nINSTREAM\n" => {}
        other => panic!("{:?} is no command of ours", String::from_utf8_lossy(other)),
    }
    let number = {
        let mut seen = seen.lock().unwrap();
        seen.begun += 1;
        seen.begun - 1
    };
    let manner = &match manner {
        Manner::Moody(mood) => mood(number),
        same => same.clone(),
    };
    let mut taken = 0;
    loop {
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length) as usize;
        if length == 0 {
            seen.lock().unwrap().complete += 1;
            break;
        }
        let mut chunk = vec![0; length];
        stream.read_exact(&mut chunk)?;
        taken += length;
        seen.lock().unwrap().bytes += length;
        match manner {
            Manner::Closes(after) if taken >= *after => return Ok(()),
            Manner::Interrupts(after, answer) if taken >= *after => {
                return stream.write_all(answer);
            }
            _ => {}
        }
    }
    match manner {
        Manner::Says(answer) => stream.write_all(answer),
        Manner::Begins(answer) => {
            stream.write_all(answer)?;
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).map(drop)
        }
        Manner::Waits(gate) => {
            gate.pass();
            stream.write_all(b"stream: OK\0")
        }
        _ => {
            // Mute: stays until the client goes.
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).map(drop)
        }
    }
}
