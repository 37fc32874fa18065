//! Mistakes in the configuration, and what `mailweir check` asks of servers.

use super::*;

#[tokio::test]
async fn without_servers_everything_is_skipped() {
    let f = from_yaml("servers: []").unwrap();
    assert_eq!(f.scan(b"x").await, Outcome::Skipped("no server configured"));
    assert_eq!(f.filter.name(), "clamav");
}

#[tokio::test]
async fn servers_are_asked_for_their_version() {
    let clamd = FakeClamd::start(|_| Act::Reply(OK)).await;
    let absent = nobody().await;
    let limit = Duration::from_secs(3);
    assert_eq!(
        probe(&clamd.server, limit).await.unwrap(),
        "ClamAV 1.4.3/27800/fake?"
    );
    let refused = probe(&absent, limit).await.unwrap_err().to_string();
    assert!(refused.contains("connection refused"), "{refused}");
    assert!(probe("nonsense", limit).await.is_err());
    clamd.answer_pings(false);
    let closed = probe(&clamd.server, limit).await.unwrap_err().to_string();
    assert!(closed.contains("closed"), "{closed}");
    let yaml = format!("servers: [\"{}\", \"{absent}\"]", clamd.server);
    let (_, options) = options(&yaml).unwrap();
    let health = health(&options).await;
    assert_eq!(health.len(), 2);
    assert!(health.iter().all(|(_, version)| version.is_err()));
}

#[test]
fn mistakes_are_shown_where_they_are() {
    for (yaml, position, words) in [
        ("servers: [127.0.0.1]", "1:11", "the port is missing"),
        ("servers: [\"unix:clamd.ctl\"]", "1:11", "begins with /"),
        ("servers: [\"a:1\", \"a:1\"]", "1:18", "stands twice"),
        ("timeout: 0s", "1:10", "in no time"),
        ("io_timeout: 15", "1:1", "duration with a unit"),
        ("streams_per_server: 0", "1:21", "1 to 4096"),
        ("max_bytes: 0", "1:12", "no message is that small"),
        ("breaker: {failures: 0}", "1:21", "1 or more"),
        ("breaker: {failure: 1}", "1:11", "did you mean `failures`?"),
        ("virus_action: tag", "1:15", "unknown value `tag`"),
        (
            "on_failure: {down: accept}",
            "1:20",
            "unknown value `accept`",
        ),
        ("server: []", "1:1", "did you mean `servers`?"),
    ] {
        let shown = match from_yaml(yaml) {
            Ok(_) => panic!("taken: {yaml}"),
            Err(shown) => shown,
        };
        assert!(
            shown.contains(&format!("mailweir.yaml:{position}")),
            "{yaml}\n{shown}"
        );
        assert!(shown.contains(words), "{yaml}\n{shown}");
    }
}
