//! The dashboard as Grafana expects it.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::queries::{dashboard_file, panels};

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

#[test]
fn panels_have_what_a_reader_needs() {
    let dashboard = dashboard_file();
    let mut titles = BTreeSet::new();
    for panel in panels(&dashboard) {
        let title = panel["title"].as_str().unwrap();
        assert!(titles.insert(title.to_owned()), "{title} twice");
        assert!(
            panel["description"].as_str().unwrap().len() > 20,
            "{title}: no description"
        );
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
        let heatmap = panel["type"] == "heatmap";
        let unit = if heatmap {
            &panel["options"]["yAxis"]["unit"]
        } else {
            &panel["fieldConfig"]["defaults"]["unit"]
        };
        assert!(unit.is_string(), "{title}: no unit");
        let mut ids = BTreeSet::new();
        for target in panel["targets"].as_array().unwrap() {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
            assert!(ids.insert(target["refId"].as_str().unwrap()), "{title}");
            let expr = target["expr"].as_str().unwrap();
            assert!(
                expr.contains("instance=~\"$instance\""),
                "{title}: not every daemon can be chosen"
            );
        }
    }
}

#[test]
fn ids_are_unique_and_panels_do_not_overlap() {
    let dashboard = dashboard_file();
    let mut ids = BTreeSet::new();
    let mut open = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(number(&panel["id"])));
        open.push(panel.clone());
        if let Some(inner) = panel["panels"].as_array() {
            assert!(panel["collapsed"] == true || inner.is_empty());
            for p in inner {
                assert!(ids.insert(number(&p["id"])), "{}", p["title"]);
            }
            apart(inner);
        }
    }
    apart(&open);
}

fn apart(panels: &[Value]) {
    let mut cells = BTreeSet::new();
    for panel in panels {
        let at = |key: &str| number(&panel["gridPos"][key]);
        assert!(at("x") + at("w") <= 24, "{}", panel["title"]);
        for x in at("x")..at("x") + at("w") {
            for y in at("y")..at("y") + at("h") {
                assert!(cells.insert((x, y)), "{} lies over another", panel["title"]);
            }
        }
    }
}

#[test]
fn data_source_and_daemon_can_be_chosen() {
    let dashboard = dashboard_file();
    assert!(number(&dashboard["schemaVersion"]) >= 41);
    assert!(
        dashboard.get("id").is_none(),
        "an id belongs to one Grafana"
    );
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let find = |name: &str| variables.iter().find(|v| v["name"] == name).unwrap();
    assert_eq!(find("datasource")["type"], "datasource");
    assert_eq!(find("datasource")["query"], "prometheus");
    assert_eq!(find("instance")["datasource"]["uid"], "${datasource}");
    assert_eq!(find("instance")["allValue"], ".*");
    assert_eq!(find("instance")["multi"], true);
}
