//! What is to be seen of a held message: its text made safe, the way it came, its files.

use axum::extract::{Path, State};
use serde::Serialize;

use super::super::console::Shared;
use super::super::refusal::Refusal;
use super::answer::{Json, Problem};
use crate::mail::Removed;
use crate::quarantine::preview::{Attachment, Body, Preview, Way, Written};

/// What is to be seen of a message.
#[derive(Serialize)]
pub(super) struct Seen {
    fields: Vec<Field>,
    more_fields: usize,
    /// The servers that it passed, the first one first.
    way: Vec<Hop>,
    bodies: Vec<Text>,
    cut: bool,
    attachments: Vec<File>,
    more_attachments: usize,
    links: Vec<String>,
    damage: Vec<&'static str>,
}

#[derive(Serialize)]
struct Field {
    name: String,
    value: String,
}

#[derive(Serialize)]
struct Hop {
    helo: Option<String>,
    name: Option<String>,
    address: Option<std::net::IpAddr>,
    by: Option<String>,
    with: Option<String>,
    at: Option<String>,
    /// After the one before.
    seconds: Option<i64>,
}

#[derive(Serialize)]
struct Text {
    written: &'static str,
    text: String,
    /// Safe to be shown, loads nothing.
    html: String,
    /// What was taken out, or marked.
    removed: Removed,
}

#[derive(Serialize)]
struct File {
    name: String,
    path: String,
    declared: Option<String>,
    real: Option<&'static str>,
    bytes: u64,
    sha256: Option<String>,
    depth: usize,
    odd: Vec<&'static str>,
}

impl From<Preview> for Seen {
    fn from(preview: Preview) -> Seen {
        let fields = preview.fields.into_iter().map(|field| Field {
            name: field.name,
            value: field.value,
        });
        Seen {
            fields: fields.collect(),
            more_fields: preview.more_fields,
            way: preview.way.into_iter().map(Hop::from).collect(),
            bodies: preview.bodies.iter().map(Text::from).collect(),
            cut: preview.text_cut,
            attachments: preview.attachments.into_iter().map(File::from).collect(),
            more_attachments: preview.more_attachments,
            links: preview.links,
            damage: preview.damage,
        }
    }
}

impl From<Way> for Hop {
    fn from(way: Way) -> Hop {
        Hop {
            helo: way.helo,
            name: way.name,
            address: way.address,
            by: way.by,
            with: way.with,
            at: way.at.map(|at| at.to_string()),
            seconds: way.seconds,
        }
    }
}

impl From<&Body> for Text {
    fn from(body: &Body) -> Text {
        Text {
            written: match body.written {
                Written::Text => "text",
                Written::Html => "html",
            },
            text: body.text.clone(),
            html: body.html().to_owned(),
            removed: body.removed.clone(),
        }
    }
}

impl From<Attachment> for File {
    fn from(file: Attachment) -> File {
        File {
            name: file.name,
            path: file.path,
            declared: file.declared,
            real: file.real,
            bytes: file.size,
            sha256: file.sha256,
            depth: file.depth,
            odd: file.odd,
        }
    }
}

pub(super) async fn preview(
    State(console): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<Seen>, Problem> {
    let preview = console.services.quarantine.preview(&id).await;
    let (_, preview) = preview.map_err(Refusal::from)?;
    Ok(Json(Seen::from(preview)))
}
