//! The validation part of the ARC test suite (ValiMail), through the filter.

use serde_json::Value;

use crate::fixture::{Fixture, envelope};
use crate::zone::Zone;
use crate::{documents, suites};

/// Cases in which we differ, with the cause; docs/authentication.md lists them.
const DEVIATIONS: &[&str] = &[
    // A chain in which the newest host found a fault: the suite, which is of a draft, has no result for it; RFC 8617,
    // section 5.2, says fail.
    "cv_fail_i1_as_cv_fail: fail (an earlier host found it broken)",
    "cv_fail_i2_as2_fail: fail (an earlier host found it broken)",
    "cv_fail_i2_as1_fail: fail (an earlier host found it broken)",
    // Without `c=` the suite takes relaxed; RFC 6376, section 3.5, which RFC 8617 refers to, says simple.
    "ams_fields_c_na: fail (the signature does not fit the header)",
    // A signature over no field at all; RFC 6376, section 5.4, demands From.
    "ams_fields_h_empty: fail (a signature cannot be used)",
];

#[tokio::test]
async fn arc_validation() {
    let Some(suites) = suites() else {
        return;
    };
    let path = suites.join("arc/tests/arc-draft-validation-tests.yml");
    let (mut count, mut deviations) = (0, Vec::new());
    for written in documents(&path) {
        let mut zone = Zone::default();
        for (name, record) in written["txt-records"].as_object().into_iter().flatten() {
            if let Some(record) = record.as_str() {
                zone = zone.txt(name, record);
            }
        }
        let server = zone.serve().await;
        let fixture = Fixture::new(&server, "max_signatures: 100");
        for (name, case) in written["tests"].as_object().unwrap() {
            count += 1;
            let message = case["message"]
                .as_str()
                .unwrap_or_default()
                .replace('\n', "\r\n");
            let (_, found) = fixture
                .examine(&envelope("192.0.2.1", ""), message.as_bytes())
                .await;
            let found = found.unwrap();
            let arc = found.arc.as_ref().unwrap();
            let expected = match &case["cv"] {
                Value::Null => "none".to_owned(),
                cv => cv.as_str().unwrap().to_lowercase(),
            };
            if arc.result.name() != expected {
                let is = format!(
                    "{name}: {} ({}), not {expected}",
                    arc.result.name(),
                    arc.reason
                );
                if !DEVIATIONS.iter().any(|known| is.starts_with(known)) {
                    deviations.push(is);
                }
            }
        }
    }
    assert!(count > 100, "{count} cases");
    assert_eq!(deviations, Vec::<String>::new(), "of {count} cases");
}
