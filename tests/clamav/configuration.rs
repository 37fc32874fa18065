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
    let yaml = format!("servers: [\"{}\", \"{absent}\", nonsense]", clamd.server);
    let (_, options) = options::<Options>(&yaml).unwrap();
    let ask = async || {
        let probes = health(&options).await.into_iter();
        let answers = probes.map(|probe| probe.answer.map_err(|why| why.to_string()));
        answers.collect::<Vec<_>>()
    };
    let answers = ask().await;
    assert_eq!(answers.len(), 3);
    assert_eq!(answers[0].as_deref(), Ok("ClamAV 1.4.3/27800/fake?"));
    assert!(
        answers[1]
            .as_ref()
            .is_err_and(|e| e.contains("connection refused"))
    );
    assert!(
        answers[2]
            .as_ref()
            .is_err_and(|e| e.contains("not the address"))
    );
    // The age of its signatures is told, and an age to be warned of is no health.
    let today = fake_clamd::version(27_801, Duration::from_secs(5 * 3600));
    clamd.says_version(&today);
    assert_eq!(
        ask().await[0],
        Ok(format!("{today}, signatures 5 hours old"))
    );
    clamd.says_version(&fake_clamd::version(27_700, 5 * DAY));
    let old = ask().await.remove(0).unwrap_err();
    assert!(old.ends_with(", signatures 5 days old"), "{old}");
    // It need not tell anything of itself.
    clamd.says_version("COMMAND UNAVAILABLE");
    let silent = "answers, and does not tell its version".to_owned();
    assert_eq!(ask().await[0], Ok(silent));
    clamd.answer_pings(false);
    assert!(ask().await[0].as_ref().is_err_and(|e| e.contains("closed")));
}

/// Runs `mailweir check` on a configuration with these servers.
fn check(servers: &[&str], args: &[&str]) -> std::process::Output {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("mailweir.yaml");
    let servers: Vec<_> = servers.iter().map(|s| format!("\"{s}\"")).collect();
    let yaml = format!(
        "chain: [clamav]\nclamav: {{ servers: [{}], connect_timeout: 500ms }}\n",
        servers.join(", ")
    );
    std::fs::write(&file, yaml).unwrap();
    std::process::Command::new(env!("CARGO_BIN_EXE_mailweir"))
        .arg("check")
        .arg("--config")
        .arg(&file)
        .args(args)
        .output()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_asks_every_server_at_once_and_a_dead_one_is_a_warning() {
    let clamd = FakeClamd::start(|_| Act::Reply(OK)).await;
    // Takes connections and says nothing.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let deaf = listener.local_addr().unwrap().to_string();
    let absent = nobody().await;
    let mut servers = vec![clamd.server.as_str(), absent.as_str(), deaf.as_str()];
    let out = check(&servers, &[]);
    let (said, warned) = (text(&out.stdout), text(&out.stderr));
    assert_eq!(out.status.code(), Some(0), "{said}{warned}");
    assert!(said.contains("mailweir.yaml is in order"), "{said}");
    let row = |server: &str| {
        let row = said.lines().find(|l| l.contains(server));
        row.unwrap_or_else(|| panic!("{server}\n{said}"))
    };
    assert!(row(&clamd.server).contains("works"), "{said}");
    assert!(said.contains("ClamAV 1.4.3/27800"), "{said}");
    assert!(
        row(&absent).contains("FAILS") && said.contains("refused"),
        "{said}"
    );
    assert!(row(&deaf).contains("FAILS"), "{said}");
    assert!(warned.contains("2 of 3 services"), "{warned}");

    assert_eq!(check(&servers, &["--strict"]).status.code(), Some(3));
    assert_eq!(check(&servers[..1], &["--strict"]).status.code(), Some(0));
    let pings = clamd.count().pings;
    let out = check(&servers, &["--offline"]);
    assert_eq!(out.status.code(), Some(0));
    assert!(!text(&out.stdout).contains("works") && out.stderr.is_empty());
    assert_eq!(clamd.count().pings, pings, "nobody is asked");
    // A file that is wrong is an error, whatever the servers say.
    servers.push("nonsense");
    assert_eq!(check(&servers, &[]).status.code(), Some(1));
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
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
        ("hedge_after: 0s", "1:14", "in no time"),
        ("health: {interval: 0s}", "1:20", "in no time"),
        (
            "health: {warn_after: 2d, fail_after: 1d}",
            "1:38",
            "before warn_after",
        ),
        ("cache: {entries: -1}", "1:18", "-1"),
        ("cache: {entries: 100000000}", "1:18", "0 to 10000000"),
        ("cache: {max_age: 0s}", "1:18", "in no time"),
        (
            "signatures: [{action: ignore}]",
            "1:15",
            "`match` is missing",
        ),
        (
            "signatures: [{match: \"\", action: ignore}]",
            "1:22",
            "an empty pattern",
        ),
        (
            "signatures: [{match: \"a b\", action: ignore}]",
            "1:22",
            "without blanks",
        ),
        (
            "signatures: [{match: A**, action: ignore}]",
            "1:22",
            "two stars",
        ),
        (
            "signatures: [{match: A}]",
            "1:22",
            "one of `score` and `action`",
        ),
        (
            "signatures: [{match: A, score: 1, action: ignore}]",
            "1:22",
            "one of `score`",
        ),
        ("signatures: [{match: A, score: 0}]", "1:32", "more than 0"),
        (
            "signatures: [{match: A, score: .nan}]",
            "1:32",
            "more than 0",
        ),
        (
            "signatures: [{match: A, score: 3, rule: SPAM}]",
            "1:41",
            "CLAMAV_",
        ),
        (
            "signatures: [{match: A, action: virus, rule: CLAMAV_A}]",
            "1:46",
            "only a hit with points",
        ),
        (
            "signatures: [{match: A, action: tag}]",
            "1:33",
            "unknown value `tag`",
        ),
        (
            "signatures: [{match: A.*, score: 1}, {match: a.*, score: 2}]",
            "1:46",
            "stands twice",
        ),
        (
            "signatures: [{match: \"*\", score: 1}, {match: B, score: 2}]",
            "1:46",
            "before this one fits",
        ),
        (
            "signatures: [{match: \"Heuristics.Encrypted.*\", score: 1}]",
            "1:22",
            "on_failure.encrypted",
        ),
        (
            "signatures: [{match: \"Heuristics.Limits.Exceeded*\", score: 1}]",
            "1:22",
            "on_failure.limit",
        ),
        (
            "on_failure: {down: accept}",
            "1:20",
            "unknown value `accept`",
        ),
        ("server: []", "1:1", "did you mean `servers`?"),
    ] {
        mistake::shown(yaml, from_yaml(yaml), position, words);
    }
}
