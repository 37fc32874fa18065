//! Every query of the dashboard and of the alerts.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

use crate::repository;

/// One query, as Prometheus gets it.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    /// The panel or alert that it belongs to.
    pub(crate) origin: String,
    /// PromQL, with the variables of Grafana replaced.
    pub(crate) expr: String,
    /// The legend of a panel: `{{label}}`.
    pub(crate) legend: String,
    pub(crate) dashboard: bool,
}

impl Query {
    /// Names of the metrics, without the suffixes of histograms.
    pub(crate) fn metrics(&self) -> BTreeSet<String> {
        let name = regex::Regex::new(r"\bmailweir_[a-z0-9_]+").unwrap();
        name.find_iter(&self.expr)
            .map(|m| family(m.as_str()))
            .collect()
    }

    /// Labels that the legend shows.
    pub(crate) fn legend_labels(&self) -> Vec<String> {
        let label = regex::Regex::new(r"\{\{([a-z]+)\}\}").unwrap();
        label
            .captures_iter(&self.legend)
            .map(|c| c[1].to_owned())
            .collect()
    }
}

/// The name of a metric without the suffix of a histogram's series.
pub(crate) fn family(name: &str) -> String {
    ["_bucket", "_sum", "_count"]
        .iter()
        .find_map(|suffix| name.strip_suffix(suffix))
        .unwrap_or(name)
        .to_owned()
}

/// The dashboard as JSON.
pub(crate) fn dashboard_file() -> Value {
    let text = std::fs::read_to_string(repository("grafana/dashboard.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// All panels that are not rows, also those of collapsed rows.
pub(crate) fn panels(dashboard: &Value) -> Vec<Value> {
    let mut found = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        if panel["type"] == "row" {
            found.extend(panel["panels"].as_array().unwrap().iter().cloned());
        } else {
            found.push(panel.clone());
        }
    }
    found
}

/// Every query of the dashboard.
pub(crate) fn dashboard() -> Vec<Query> {
    let dashboard = dashboard_file();
    let mut found = Vec::new();
    let mut push = |origin: &Value, expr: &Value, legend: &Value| {
        found.push(Query {
            origin: format!("dashboard, {}", origin.as_str().unwrap()),
            expr: substituted(expr.as_str().unwrap()),
            legend: legend.as_str().unwrap().to_owned(),
            dashboard: true,
        });
    };
    for panel in panels(&dashboard) {
        for target in panel["targets"].as_array().unwrap() {
            push(&panel["title"], &target["expr"], &target["legendFormat"]);
        }
    }
    for annotation in dashboard["annotations"]["list"].as_array().unwrap() {
        if annotation["expr"].is_string() {
            push(
                &annotation["name"],
                &annotation["expr"],
                &annotation["textFormat"],
            );
        }
    }
    assert!(found.len() > 40, "{} queries", found.len());
    found
}

/// What Grafana puts in place of its variables.
fn substituted(expr: &str) -> String {
    let expr = expr
        .replace("$__rate_interval", "1m")
        .replace("$__range", "1h")
        .replace("$instance", ".*");
    assert!(!expr.contains('$'), "unknown variable in {expr}");
    expr
}

/// One alert.
#[derive(Clone, Debug)]
pub(crate) struct Alert {
    pub(crate) name: String,
    pub(crate) expr: String,
    pub(crate) severity: String,
    pub(crate) summary: String,
    pub(crate) description: String,
    pub(crate) action: String,
    pub(crate) runbook: String,
}

impl From<Alert> for Query {
    fn from(alert: Alert) -> Query {
        Query {
            origin: format!("alert {}", alert.name),
            expr: alert.expr,
            legend: String::new(),
            dashboard: false,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    #[serde(rename = "name")]
    _name: String,
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    alert: String,
    expr: String,
    #[serde(rename = "for")]
    _for: Option<String>,
    labels: Labels,
    annotations: Annotations,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Labels {
    severity: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Annotations {
    summary: String,
    description: String,
    action: String,
    runbook: String,
}

/// Every alert.
pub(crate) fn alerts() -> Vec<Alert> {
    let text = std::fs::read_to_string(repository("grafana/alerts.yaml")).unwrap();
    let file: File = serde_saphyr::from_str(&text).unwrap();
    file.groups
        .into_iter()
        .flat_map(|g| g.rules)
        .map(|rule| Alert {
            name: rule.alert,
            expr: rule.expr,
            severity: rule.labels.severity,
            summary: rule.annotations.summary,
            description: rule.annotations.description,
            action: rule.annotations.action,
            runbook: rule.annotations.runbook,
        })
        .collect()
}

/// Dashboard and alerts.
pub(crate) fn all() -> Vec<Query> {
    dashboard()
        .into_iter()
        .chain(alerts().into_iter().map(Query::from))
        .collect()
}
