//! What is sent and how many send it has bounds.

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

#[test]
fn connections_are_bounded_and_places_are_given_back() {
    let site = Site::empty(Config::default(), ", connections: 4");
    let open = |site: &Site| std::net::TcpStream::connect(("127.0.0.1", site.port)).unwrap();
    let held: Vec<_> = (0..4).map(|_| open(&site)).collect();
    site.daemon
        .wait_for_metric("mailweir_console_connections", 4.0);
    let _fifth = open(&site);
    site.daemon
        .wait_for_metric("mailweir_console_connections_refused_total", 1.0);
    drop(held);
    wait_for("a place", || {
        (site.daemon.metric("mailweir_console_connections") < 1.0).then_some(())
    });
    assert_eq!(site.get("/login").send().status, 200);
}
