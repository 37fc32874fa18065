//! The SPF test suites of openspf.org, for RFC 7208 and RFC 4408.

use std::sync::Arc;

use mailweir::auth::spf::{self, Query};
use mailweir::metrics::Metrics;
use serde_json::Value;

use crate::zone::Zone;
use crate::{documents, questions, resolver, suites};

/// Cases in which we differ, with the cause; docs/authentication.md lists them.
const DEVIATIONS: &[&str] = &[
    // A TXT record without a single string is malformed (RFC 1035, section 3.3.14): the resolver refuses the
    // whole answer, and the check ends with temperror.
    "null-text: temperror",
];

/// Runs a suite; gives the number of cases, and those whose result is none that the suite allows.
async fn run(file: &str) -> Option<(usize, Vec<String>)> {
    let path = suites()?.join("spf").join(file);
    let (mut count, mut deviations) = (0, Vec::new());
    for written in documents(&path) {
        let server = Zone::of_spf_suite(&written["zonedata"]).serve().await;
        let metrics = Arc::new(Metrics::new().unwrap());
        let dns = resolver(&server, &metrics);
        for (name, case) in written["tests"].as_object().unwrap() {
            count += 1;
            let text = |key: &str| case[key].as_str().unwrap_or_default();
            let said = spf::check(
                &questions(&dns),
                Query {
                    client: text("host").parse().unwrap(),
                    helo: text("helo"),
                    sender: text("mailfrom"),
                },
            )
            .await;
            let allowed: Vec<&str> = match &case["result"] {
                Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
                one => one.as_str().into_iter().collect(),
            };
            if !allowed.contains(&said.result.name()) {
                let is = format!(
                    "{name}: {} ({}), not {allowed:?}",
                    said.result.name(),
                    said.reason
                );
                if !DEVIATIONS.iter().any(|known| is.starts_with(known)) {
                    deviations.push(is);
                }
            }
        }
    }
    Some((count, deviations))
}

#[tokio::test]
async fn rfc_7208() {
    let Some((count, deviations)) = run("rfc7208-tests.yml").await else {
        return;
    };
    assert!(count > 150, "{count} cases");
    assert_eq!(deviations, Vec::<String>::new(), "of {count} cases");
}

#[tokio::test]
async fn rfc_4408() {
    let Some((count, deviations)) = run("rfc4408-tests.yml").await else {
        return;
    };
    assert!(count > 150, "{count} cases");
    assert_eq!(deviations, Vec::<String>::new(), "of {count} cases");
}
