//! Policies, and the list files of senders and recipients.

use axum::body::Bytes;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};

use super::super::Visitor;
use super::super::console::{Console, Shared};
use super::super::policies::list::{self, Change};
use super::super::policies::{ListFile, PolicyRow, lists, row};
use super::super::refusal::Refusal;
use super::answer::{Json, Page, Problem, read};
use crate::config::{Config, Source};
use crate::policy;

fn with_config<T>(console: &Console, of: impl FnOnce(&Config) -> T) -> Result<T, Refusal> {
    let engine = console.services.engine.load_full();
    engine.config().map(of).ok_or(Refusal::NotFound)
}

/// All of a list that has no pages.
fn whole<T>(items: Vec<T>) -> Json<Page<T>> {
    Json(Page { items, next: None })
}

/// All policies.
#[derive(Serialize)]
pub(super) struct Policies {
    items: Vec<PolicyRow>,
    next: Option<String>,
    /// What holds for a message whose recipients have several.
    conflict: policy::Conflict,
}

pub(super) async fn policies(State(console): State<Shared>) -> Result<Json<Policies>, Problem> {
    let all = |config: &Config| Policies {
        items: config.file.policies.iter().map(row).collect(),
        next: None,
        conflict: config.file.conflict,
    };
    Ok(Json(with_config(&console, all)?))
}

/// One use of a list file.
#[derive(Serialize)]
pub(super) struct Use {
    key: String,
    policy: String,
    /// What it does there: allow, deny, recipients.
    what: String,
    /// As the configuration writes it.
    path: String,
    /// Whether it may be changed here.
    editable: bool,
}

impl From<ListFile> for Use {
    fn from(list: ListFile) -> Use {
        Use {
            key: list.key,
            policy: list.policy,
            what: list.what,
            path: list.written,
            editable: list.is_senders,
        }
    }
}

pub(super) async fn all(State(console): State<Shared>) -> Result<Json<Page<Use>>, Problem> {
    let all = with_config(&console, lists)?;
    Ok(whole(all.into_iter().map(Use::from).collect()))
}

/// A list file.
#[derive(Serialize)]
pub(super) struct ListText {
    path: String,
    text: String,
    /// Of the text, for a change of it.
    digest: String,
    entries: usize,
}

impl ListText {
    fn new(list: ListFile, text: String) -> ListText {
        let entries = policy::check_list(&Source::new(&list.path, text.as_str()));
        ListText {
            path: list.written,
            digest: list::digest(&text),
            entries: entries.unwrap_or(0),
            text,
        }
    }
}

pub(super) async fn one(
    State(console): State<Shared>,
    Path(key): Path<String>,
) -> Result<Json<ListText>, Problem> {
    let (file, _) = list::find(&console, &key)?;
    let text = list::read(&file.path).await?;
    Ok(Json(ListText::new(file, text)))
}

/// A whole list.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Replacement {
    text: Option<String>,
    /// That of the text which it takes the place of.
    digest: Option<String>,
}

pub(super) async fn replace(
    State(console): State<Shared>,
    visitor: Visitor,
    Path(key): Path<String>,
    body: Bytes,
) -> Result<Json<ListText>, Problem> {
    let Replacement { text, digest } = read(&body)?;
    let (Some(text), Some(digest)) = (text, digest) else {
        return Err(Problem::invalid(&"`text` and `digest` are needed"));
    };
    let text = list::as_file(&text)?;
    let change = list::change(&console, &visitor, &key, Some(&digest), |_| text.clone());
    changed(&console, &key, change.await?)
}

/// One more entry.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Addition {
    entry: String,
    remark: String,
}

pub(super) async fn add(
    State(console): State<Shared>,
    visitor: Visitor,
    Path(key): Path<String>,
    body: Bytes,
) -> Result<Json<ListText>, Problem> {
    let Addition { entry, remark } = read(&body)?;
    let with = list::with_line(&entry, &remark)?;
    let change = list::change(&console, &visitor, &key, None, with).await?;
    changed(&console, &key, change)
}

fn changed(console: &Shared, key: &str, change: Change) -> Result<Json<ListText>, Problem> {
    let text = match change {
        Change::Same(text) | Change::Written(text) => text,
        Change::Refused(_, why) => return Err(Problem(why)),
    };
    let (file, _) = list::find(console, key)?;
    Ok(Json(ListText::new(file, text)))
}
