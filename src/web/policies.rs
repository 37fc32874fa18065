//! Policies: what holds for which recipients and senders, and the list files of allowed and denied senders.

pub(super) mod list;

use std::path::PathBuf;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use serde::Serialize;

use super::access::Access;
use super::accounts::Role;
use super::console::Shared;
use super::layout::{self, Answer, Page};
use super::refusal::Refusal;
use super::{Visitor, filters};
use crate::config::Config;
use crate::policy::{DenyAction, PolicyOptions};

pub(super) fn routes(access: &Access) -> Router<Shared> {
    let look = Router::new()
        .route("/policy", get(show))
        .route("/policy/list/{key}", get(list::show));
    let edit = Router::new()
        .route("/policy/list/{key}/text", post(list::replace))
        .route("/policy/list/{key}/add", post(list::add));
    access
        .allow(Role::Viewer, look)
        .merge(access.allow_bytes(Role::Admin, 4 * list::EDITED, edit))
}

/// A policy in words.
#[derive(Debug, Serialize)]
pub(super) struct PolicyRow {
    name: String,
    whom: Vec<String>,
    thresholds: Vec<String>,
    skips: String,
    senders: String,
    others: Vec<String>,
}

/// A list file that the configuration names.
#[derive(Clone, Debug)]
pub(in crate::web) struct ListFile {
    /// Where it is named: the name of a policy, or all inbound mail.
    pub(in crate::web) policy: String,
    /// What it does: allow, deny, or who is a recipient.
    pub(in crate::web) what: String,
    /// As the configuration writes it.
    pub(in crate::web) written: String,
    pub(in crate::web) path: PathBuf,
    /// Stands for it in addresses of pages.
    pub(in crate::web) key: String,
    /// Whether it holds allowed or denied senders, which may be edited here.
    pub(in crate::web) is_senders: bool,
}

#[derive(Template)]
#[template(path = "policy.html")]
struct PolicyPage {
    page: Page,
    rows: Vec<PolicyRow>,
    lists: Vec<ListFile>,
    conflict: &'static str,
}

/// What stands for a file in the address of its page.
fn key(path: &std::path::Path) -> String {
    let digest = blake3::hash(path.as_os_str().as_encoded_bytes()).to_hex();
    digest.chars().take(16).collect()
}

/// The list files of a configuration, each use of one.
pub(super) fn lists(config: &Config) -> Vec<ListFile> {
    let file = &config.file;
    let mut lists = Vec::new();
    let mut add = |policy: &str, what: String, written: &std::path::Path, is_senders| {
        let path = config.base.join(written);
        lists.push(ListFile {
            policy: policy.to_owned(),
            what,
            written: written.display().to_string(),
            key: key(&path),
            path,
            is_senders,
        });
    };
    let everywhere = ("all inbound mail", &file.allow, &file.deny);
    let own = file
        .policies
        .iter()
        .map(|p| (p.name.value.as_str(), &p.allow, &p.deny));
    for (name, allow, deny) in std::iter::once(everywhere).chain(own) {
        for item in allow {
            if let Some(path) = &item.value.list {
                let proven = if item.value.unproven {
                    ", unproven too"
                } else {
                    ""
                };
                add(name, format!("allow{proven}"), &path.value, true);
            }
        }
        for item in deny {
            if let Some(path) = &item.value.list {
                let action = match item.value.action {
                    DenyAction::Reject => "reject",
                    DenyAction::Quarantine => "quarantine",
                    DenyAction::Score => "points",
                };
                add(name, format!("deny: {action}"), &path.value, true);
            }
        }
    }
    for policy in &file.policies {
        for path in &policy.scope.lists {
            add(
                &policy.name.value,
                "recipients".to_owned(),
                &path.value,
                false,
            );
        }
    }
    lists
}

pub(super) fn row(options: &PolicyOptions) -> PolicyRow {
    let scope = &options.scope;
    let mut whom = vec![format!("{} mail", scope.direction.name())];
    let mut few = |what: &str, values: Vec<String>| {
        if !values.is_empty() {
            let more = values.len().saturating_sub(5);
            let shown = values
                .iter()
                .take(5)
                .cloned()
                .collect::<Vec<_>>()
                .join(", ");
            let more = if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            };
            whom.push(format!("{what} {shown}{more}"));
        }
    };
    let texts =
        |values: &[serde_saphyr::Spanned<String>]| values.iter().map(|v| v.value.clone()).collect();
    few("to", texts(&scope.recipients));
    few(
        "to those in",
        scope
            .lists
            .iter()
            .map(|l| l.value.display().to_string())
            .collect(),
    );
    few("from", texts(&scope.networks));
    few("signed in as", texts(&scope.users));
    let mut thresholds = Vec::new();
    if let Some(written) = &options.thresholds {
        let written = written.value;
        for (what, score) in [
            ("tag", written.tag),
            ("quarantine", written.quarantine),
            ("reject", written.reject),
        ] {
            match score {
                Some(Some(score)) => thresholds.push(format!("{what} from {score}")),
                Some(None) => thresholds.push(format!("never {what}")),
                None => {}
            }
        }
    }
    let mut others = Vec::new();
    let actions = &options.actions;
    for (instead, action) in [
        ("tag", &actions.tag),
        ("quarantine", &actions.quarantine),
        ("reject", &actions.reject),
    ] {
        if let Some(action) = action {
            others.push(format!("{} instead of {instead}", action.value));
        }
    }
    if let Some(language) = &options.language {
        let expected: Vec<String> = texts(&language.value.expected);
        others.push(format!("expects {}", expected.join(", ")));
    }
    let skips = options.skip.as_ref().map(|filters| {
        let names: Vec<&str> = filters.iter().map(|f| f.value.name()).collect();
        names.join(", ")
    });
    let entries = |n: usize, what: &str| format!("{n} {what}");
    PolicyRow {
        name: options.name.value.clone(),
        whom,
        thresholds,
        skips: skips.unwrap_or_default(),
        senders: match (options.allow.len(), options.deny.len()) {
            (0, 0) => String::new(),
            (allow, 0) => entries(allow, "allow"),
            (0, deny) => entries(deny, "deny"),
            (allow, deny) => format!("{allow} allow, {deny} deny"),
        },
        others,
    }
}

async fn show(State(console): State<Shared>, visitor: Visitor) -> Answer {
    let engine = console.services.engine.load_full();
    let config = engine.config().ok_or(Refusal::NotFound)?;
    layout::render(&PolicyPage {
        page: Page::new("Policy", "/policy", &visitor),
        rows: config.file.policies.iter().map(row).collect(),
        lists: lists(config),
        conflict: match config.file.conflict {
            crate::policy::Conflict::Split => "each recipient gets what their policy says",
            crate::policy::Conflict::Strictest => "the strictest holds for all",
            crate::policy::Conflict::Mildest => "the mildest holds for all",
        },
    })
}
