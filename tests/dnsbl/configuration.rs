//! Mistakes in the configuration.

use super::*;

#[tokio::test]
async fn without_zones_everything_is_skipped() {
    let f = from_yaml("zones: []").unwrap();
    assert_eq!(
        f.ask("192.0.2.1").await,
        Outcome::Skipped("no zones configured")
    );
    assert_eq!(f.filter.name(), "dnsbl");
}

#[test]
fn mistakes_are_shown_where_they_are() {
    let zone = |rest: &str| format!("zones:\n  - zone: bl.example.org\n    {rest}\n");
    for (yaml, position, words) in [
        (
            "zones: [{zone: \"not a zone\", score: 1}]".to_owned(),
            "1:16",
            "not the zone of a list",
        ),
        (
            "zones: [{zone: org, score: 1}]".into(),
            "1:16",
            "single label",
        ),
        (
            "zones: [{zone: bl.localhost, score: 1}]".into(),
            "1:16",
            "no resolver",
        ),
        (
            "zones: [{zone: 127.0.0.1, score: 1}]".into(),
            "1:16",
            "it is an address",
        ),
        (zone("ipv6: true"), "2:11", "count for nothing"),
        (zone("decisive: reject"), "3:15", "without `score`"),
        (zone("score: .nan"), "3:12", "not a number of points"),
        (
            zone("score: 1\n    decisive: discard"),
            "4:15",
            "unknown value `discard`",
        ),
        (zone("score: 1\n    id: bad-id"), "4:9", "cannot be the id"),
        (
            zone("codes: [{codes: [10.0.0.1], id: A, score: 1}]"),
            "3:22",
            "127.0.0.0/8",
        ),
        (
            zone("codes: [{codes: [127.0.0.9..127.0.0.2], id: A, score: 1}]"),
            "3:22",
            "before it begins",
        ),
        (
            zone("codes: [{codes: [127.255.255.254], id: A, score: 1}]"),
            "3:22",
            "tells of errors",
        ),
        (
            zone("codes: [{codes: [127.0.0.1], id: A, score: 1}]"),
            "3:22",
            "never a listing",
        ),
        (
            zone("codes: [{codes: [], id: A, score: 1}]"),
            "3:21",
            "no code is given",
        ),
        (
            zone("codes: [{mask: 0, id: A, score: 1}]"),
            "3:20",
            "0x1 to 0xffffff",
        ),
        (
            zone("codes: [{id: A, score: 1}]"),
            "3:18",
            "either `codes` or `mask`",
        ),
        (
            zone("codes: [{mask: 2, id: A, score: 1}, {mask: 4, id: A, score: 1}]"),
            "3:55",
            "stands twice",
        ),
        (
            "zones: [{zone: bl.example.org, score: 1}, {zone: BL.example.org., score: 1, id: B}]"
                .into(),
            "1:50",
            "asked about `client` twice",
        ),
        (
            "trusted_networks: [10.0.0.1/8]".into(),
            "1:20",
            "beyond its prefix",
        ),
        ("trusted_networks: [local]".into(), "1:20", "not a network"),
        ("timeout: 0s".into(), "1:10", "no time"),
        (
            "resolvers: [127.0.0.1]".into(),
            "1:12",
            "`dnsbl.resolvers` is `dns.resolvers` now",
        ),
        (
            "queries_in_flight: 0".into(),
            "1:20",
            "`dnsbl.queries_in_flight` is `dns.queries_in_flight` now",
        ),
        (zone("score: 1\n    subjects: [clients]"), "4:16", "did you mean `client`?"),
        (zone("score: 1\n    subjects: []"), "2:11", "asked about nothing"),
        (
            zone("score: 1\n    subjects: [url, url]"),
            "4:21",
            "asked about `url` twice",
        ),
        (zone("score: 1\n    names: host"), "4:12", "is a name"),
        (zone("score: 1\n    hops: {first: 2}"), "4:11", "`received` is not among"),
        (
            zone("score: 1\n    subjects: [received]\n    hops: {first: 0}"),
            "5:11",
            "counted from 1",
        ),
        (
            zone("score: 1\n    subjects: [received]\n    hops: {first: 3, last: 2}"),
            "5:11",
            "before the first",
        ),
        (zone("score: 1\n    subjects: [email]"), "2:11", "by their hash"),
        (
            zone("score: 1\n    hash: {algorithm: sha1}"),
            "4:11",
            "is hashed",
        ),
        (
            zone("score: 1\n    subjects: [email]\n    hash: {algorithm: sha256}"),
            "5:11",
            "base32",
        ),
        (zone("score: 1\n    max: 0"), "4:10", "1 to 1000"),
        (zone("score: 1\n    ipv4: false\n    ipv6: false"), "2:11", "asked nothing"),
        (zone("score: 1\n    key: abc"), "2:11", "where the key stands"),
        (
            "zones: [{zone: <key>.example.org, score: 1}]".into(),
            "1:16",
            "there is none",
        ),
        (
            "zones: [{zone: <key>.bl.example.org, key: a, key_file: b, score: 1}]".into(),
            "1:56",
            "not both",
        ),
        (
            "zones: [{zone: <key>.bl.example.org, key_file: no-such-file, score: 1}]".into(),
            "1:48",
            "cannot read",
        ),
        (
            "zones: [{zone: <key>.bl.example.org, key: \"a.b\", score: 1}]".into(),
            "1:43",
            "a key has 1 to 63",
        ),
        (zone("score: 1\n    allow: true"), "3:12", "0 or less"),
        (
            zone("score: -1\n    allow: true\n    decisive: reject"),
            "5:15",
            "`deliver` alone",
        ),
        (
            zone("score: 1\n    decisive: deliver"),
            "4:15",
            "only an allow list",
        ),
        (zone("score: 1\n    exempt: true"), "4:13", "only an allow list"),
        (
            zone("exempt: true\n    codes: [{mask: 2, id: A, score: 1}]"),
            "3:13",
            "without `score`",
        ),
        (
            zone("codes: [{codes: [127.0.*], id: A, score: 1}]"),
            "3:22",
            "four octets",
        ),
        (
            zone("score: 1\n    refusals: [10.0.0.1]"),
            "4:16",
            "127.0.0.0/8",
        ),
        (
            zone("score: 1\n    test: {listed: \"a b\"}"),
            "4:20",
            "neither an address nor a name",
        ),
        (
            "zones: [{zone: a.example.org, score: 1, name: x.y}, {zone: b.example.org, score: 1, id: B, name: x.y}]".into(),
            "1:98",
            "two lists are called",
        ),
        ("skip_domains: [\"*.example.org\"]".into(), "1:16", "not a domain"),
        ("queries_per_message: 0".into(), "1:22", "1 to 10000"),
        ("guard: {failures: 0}".into(), "1:19", "1 to 1000"),
        ("guard: {interval: 1ms}".into(), "1:19", "100ms or longer"),
        ("guard: {slow: 0s}".into(), "1:15", "no time"),
        ("zoness: []".into(), "1:1", "did you mean `zones`?"),
        (
            "on_failure: {encrypted: drop}".into(),
            "1:25",
            "unknown value",
        ),
    ] {
        mistake::shown(&yaml, from_yaml(&yaml), position, words);
    }
}

#[test]
fn mistakes_of_the_resolver_are_shown_where_they_are() {
    for (yaml, position, words) in [
        (
            "resolvers: [dns.example.org]",
            "1:13",
            "not the address of a resolver",
        ),
        ("resolvers: [\"127.0.0.1:0\"]", "1:13", "not the address"),
        ("timeout: 0s", "1:10", "no time"),
        ("attempts: 0", "1:11", "1 to 5"),
        ("cache_min_ttl: 2h", "1:16", "longer than"),
        ("queries_in_flight: 0", "1:20", "1 to 65536"),
        ("cache_entries: 99999999999", "1:16", "0 to 10000000"),
        ("resolver: []", "1:1", "did you mean `resolvers`?"),
    ] {
        let metrics = Arc::new(Metrics::new().unwrap());
        mistake::shown(yaml, resolver(yaml, &metrics), position, words);
    }
}

#[test]
fn every_mistake_is_shown_at_once() {
    let Err(shown) = from_yaml("timeout: 0s\nattempts: 9\ntrusted_networks: [x]\n") else {
        panic!("taken");
    };
    assert_eq!(shown.matches("error:").count(), 3, "{shown}");
}
