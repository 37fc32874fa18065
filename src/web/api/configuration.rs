//! The configuration in force, the files that it is made of, and why another was refused.

use axum::extract::State;
use serde::Serialize;

use super::super::configuration::{Facts, FileRow, files};
use super::super::console::Shared;
use super::super::refusal::Refusal;
use super::answer::{Json, Problem, at};

/// The configuration in force.
#[derive(Serialize)]
pub(super) struct Configuration {
    version: String,
    path: String,
    chain: Vec<&'static str>,
    policies: Vec<String>,
    /// What holds, whether it is written or not.
    facts: Facts,
    /// The file as it was read, values of keys called `key` masked.
    text: String,
    files: Vec<FileKnown>,
    refused: Option<Refused>,
}

/// A file or a folder that a change of is a change of the configuration.
#[derive(Serialize)]
struct FileKnown {
    path: String,
    folder: bool,
    /// Both are null for what is not there.
    bytes: Option<u64>,
    changed: Option<String>,
}

impl From<FileRow> for FileKnown {
    fn from(file: FileRow) -> FileKnown {
        FileKnown {
            path: file.path,
            folder: file.is_folder,
            bytes: file.state.map(|(bytes, _)| bytes),
            changed: file.state.and_then(|(_, changed)| at(changed)),
        }
    }
}

/// The last reload, where it was refused.
#[derive(Serialize)]
struct Refused {
    at: String,
    problems: String,
}

pub(super) async fn configuration(
    State(console): State<Shared>,
) -> Result<Json<Configuration>, Problem> {
    let engine = console.services.engine.load_full();
    let config = engine.config().ok_or(Refusal::NotFound)?;
    let files = files(config).await?.into_iter();
    let refused = console.services.reload_problem.load();
    Ok(Json(Configuration {
        version: engine.version().to_owned(),
        path: config.source.path().display().to_string(),
        chain: engine.chain.members().iter().map(|m| m.name()).collect(),
        policies: engine.policies.names().map(ToString::to_string).collect(),
        facts: Facts::of(config),
        text: config.source.masked().into_owned(),
        files: files.map(FileKnown::from).collect(),
        refused: refused.as_deref().map(|refused| Refused {
            at: refused.at.to_string(),
            problems: refused.text.clone(),
        }),
    }))
}
