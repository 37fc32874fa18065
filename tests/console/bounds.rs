//! What is sent and how many send it has bounds.

use std::io::{Read, Write};

use super::daemon::Config;
use super::place::wait_for;
use super::site::Site;

#[test]
fn what_is_sent_is_bounded() {
    let site = Site::new(Config::default());
    let ann = site.signed_in("ann");
    let long = |bytes: usize| "x".repeat(bytes);
    let form = |path: &str, field: &str, bytes: usize| {
        let text = long(bytes);
        let request = site.post(path).session(&ann.cookie);
        request
            .form(&[("form_token", &ann.form_token), (field, &text)])
            .send()
            .status
    };
    assert_eq!(form("/users", "name", 70_000), 413);
    assert_eq!(form("/rules/trial", "message", 4 << 20), 413);
    assert_eq!(form("/rules/trial", "message", 1 << 19), 200);
    let strangers = site
        .post("/login")
        .form(&[("name", "ann"), ("password", &long(20_000))]);
    assert_eq!(strangers.send().status, 413);
    let head = site.get("/").field("X-Long", &long(200_000)).send();
    assert_eq!(head.status, 431);
    let other = site.post("/users").session(&ann.cookie);
    let origin = site.url();
    let other = other
        .field("Origin", &origin)
        .field("Content-Type", "text/plain");
    let token = format!("form_token={}", ann.form_token);
    assert_eq!(other.body(token.as_bytes()).send().status, 403);
}

fn refused(bound: &str) -> String {
    format!("mailweir_console_connections_refused_total{{bound=\"{bound}\"}}")
}

#[test]
fn one_address_cannot_take_all_connections_and_a_proxy_can() {
    let site = Site::empty(Config::default(), ", connections_per_address: 2");
    let open = || std::net::TcpStream::connect(("127.0.0.1", site.port)).unwrap();
    let held = [open(), open()];
    site.daemon
        .wait_for_metric("mailweir_console_connections", 2.0);
    let _third = open();
    site.daemon.wait_for_metric(&refused("address"), 1.0);
    assert_eq!(site.daemon.metric(&refused("all")), 0.0);
    // Another address has its own.
    let mut other = from([127, 0, 0, 2], site.port);
    let request = "GET /login HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    other.write_all(request.as_bytes()).unwrap();
    let mut said = String::new();
    other.read_to_string(&mut said).unwrap();
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    drop(held);
    wait_for("a place", || {
        (site.daemon.metric("mailweir_console_connections") < 1.0).then_some(())
    });
    assert_eq!(site.get("/login").send().status, 200);

    let proxied = Site::empty(
        Config::default(),
        ", connections_per_address: 1, trusted_proxies: [127.0.0.0/8]",
    );
    let _held: Vec<_> = (0..4)
        .map(|_| std::net::TcpStream::connect(("127.0.0.1", proxied.port)).unwrap())
        .collect();
    proxied
        .daemon
        .wait_for_metric("mailweir_console_connections", 4.0);
    assert_eq!(proxied.daemon.metric(&refused("address")), 0.0);
}

/// A connection that comes from this address of the host.
fn from(address: [u8; 4], port: u16) -> std::net::TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .unwrap();
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind((address, 0).into()).unwrap();
        socket.connect(([127, 0, 0, 1], port).into()).await.unwrap()
    });
    let stream = stream.into_std().unwrap();
    stream.set_nonblocking(false).unwrap();
    stream
}

#[test]
fn connections_are_bounded_and_places_are_given_back() {
    let site = Site::empty(Config::default(), ", connections: 4");
    let open = |site: &Site| std::net::TcpStream::connect(("127.0.0.1", site.port)).unwrap();
    let held: Vec<_> = (0..4).map(|_| open(&site)).collect();
    site.daemon
        .wait_for_metric("mailweir_console_connections", 4.0);
    let _fifth = open(&site);
    site.daemon.wait_for_metric(&refused("all"), 1.0);
    drop(held);
    wait_for("a place", || {
        (site.daemon.metric("mailweir_console_connections") < 1.0).then_some(())
    });
    assert_eq!(site.get("/login").send().status, 200);
}
