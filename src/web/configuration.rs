//! The configuration as run: the file in force without its secrets, what holds in short, and the files that it is made
//! of.

mod facts;

use std::path::PathBuf;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::get;

use super::access::Access;
use super::accounts::Role;
use super::console::Shared;
use super::layout::{self, Answer, Page};
use super::refusal::Refusal;
use super::{Visitor, filters};
use crate::config::Config;
use crate::server::Engine;
pub(super) use facts::Facts;

pub(super) fn routes(access: &Access) -> Router<Shared> {
    access.allow(
        Role::Admin,
        Router::new().route("/configuration", get(show)),
    )
}

/// A file that a change of is a change of the configuration.
#[derive(Debug)]
pub(super) struct FileRow {
    pub(super) path: String,
    /// Bytes and time of the last change; `None` for what is not there.
    pub(super) state: Option<(u64, i64)>,
    pub(super) is_folder: bool,
}

/// The files that a configuration is made of, as they are now.
pub(super) async fn files(config: &Config) -> Result<Vec<FileRow>, Refusal> {
    let files = Engine::files(config);
    let look = tokio::task::spawn_blocking(move || files.into_iter().map(file).collect());
    look.await
        .map_err(|error| Refusal::internal("files cannot be looked at", &error))
}

#[derive(Template)]
#[template(path = "configuration.html")]
struct ConfigurationPage {
    page: Page,
    version: String,
    path: String,
    text: String,
    facts: Vec<(&'static str, String)>,
    files: Vec<FileRow>,
    problem: Option<(String, i64)>,
}

async fn show(State(console): State<Shared>, visitor: Visitor) -> Answer {
    let engine = console.services.engine.load_full();
    let config = engine.config().ok_or(Refusal::NotFound)?;
    let problem = console.services.reload_problem.load();
    layout::render(&ConfigurationPage {
        page: Page::new("Configuration", "/configuration", &visitor),
        version: engine.version().to_owned(),
        path: config.source.path().display().to_string(),
        text: config.source.masked().into_owned(),
        facts: facts(config),
        files: files(config).await?,
        problem: problem
            .as_deref()
            .map(|p| (p.text.clone(), p.at.as_second())),
    })
}

fn file(path: PathBuf) -> FileRow {
    let found = std::fs::metadata(&path).ok();
    let changed = |m: &std::fs::Metadata| {
        let since = m.modified().ok()?.duration_since(std::time::UNIX_EPOCH);
        Some((m.len(), i64::try_from(since.ok()?.as_secs()).ok()?))
    };
    FileRow {
        path: path.display().to_string(),
        is_folder: found.as_ref().is_some_and(std::fs::Metadata::is_dir),
        state: found.as_ref().and_then(changed),
    }
}

/// What holds, with what the API tells beside it: chain and policies.
fn facts(config: &Config) -> Vec<(&'static str, String)> {
    let chain: Vec<&str> = config.chain.iter().map(|f| f.name()).collect();
    let policies = config.file.policies.len().to_string();
    let mut facts = Facts::of(config).shown();
    let chain = match chain.as_slice() {
        [] => "none".to_owned(),
        names => names.join(", "),
    };
    facts.push(("chain", chain));
    facts.push(("policies", filters::grouped(&policies)));
    facts
}
