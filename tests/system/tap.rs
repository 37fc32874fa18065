//! A wire tap between MTA and daemon: passes the packets of the MTA on one by one and tells which kind
//! has just been passed, so that a test can act in an exact state of the protocol.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;

/// A running tap; it ends with the process of the tests.
pub(crate) struct Tap {
    pub(crate) port: u16,
}

impl Tap {
    /// Passes connections on to `daemon`; `passed` is called with the letter of each packet of the MTA
    /// after the daemon has it.
    pub(crate) fn start(daemon: u16, passed: impl Fn(u8) + Send + Sync + 'static) -> Tap {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let passed = Arc::new(passed);
        std::thread::spawn(move || {
            for mta in listener.incoming().flatten() {
                let passed = Arc::clone(&passed);
                std::thread::spawn(move || {
                    // No daemon: the MTA sees its connection closed at once.
                    if let Ok(daemon) = TcpStream::connect((Ipv4Addr::LOCALHOST, daemon)) {
                        carry(mta, daemon, &*passed);
                    }
                });
            }
        });
        Tap { port }
    }
}

fn carry(mta: TcpStream, daemon: TcpStream, passed: &dyn Fn(u8)) {
    let _ = (mta.set_nodelay(true), daemon.set_nodelay(true));
    let (Ok(mut to_mta), Ok(mut from_daemon)) = (mta.try_clone(), daemon.try_clone()) else {
        return;
    };
    let back = std::thread::spawn(move || {
        let _ = std::io::copy(&mut from_daemon, &mut to_mta);
        let _ = to_mta.shutdown(Shutdown::Both);
    });
    let _ = forward(&mta, &daemon, passed);
    let _ = daemon.shutdown(Shutdown::Write);
    let _ = back.join();
}

fn forward(
    mut mta: &TcpStream,
    mut daemon: &TcpStream,
    passed: &dyn Fn(u8),
) -> std::io::Result<()> {
    loop {
        let mut packet = vec![0; 4];
        mta.read_exact(&mut packet)?;
        let length = u32::from_be_bytes([packet[0], packet[1], packet[2], packet[3]]) as usize;
        packet.resize(4 + length, 0);
        mta.read_exact(&mut packet[4..])?;
        daemon.write_all(&packet)?;
        passed(packet.get(4).copied().unwrap_or_default());
    }
}
