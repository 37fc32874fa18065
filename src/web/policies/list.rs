//! One list file: looked at by everybody, edited by admins. A changed text is checked as the daemon will check it,
//! written whole or not at all, and never over a change that somebody else has made meanwhile; the daemon takes it as
//! it takes any changed file.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use askama::Template;
use axum::Form;
use axum::extract::{Path as Key, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use tokio::sync::Mutex;

use super::{ListFile, lists};
use crate::config::Source;
use crate::filter::bayes::durable;
use crate::policy;
use crate::web::Visitor;
use crate::web::accounts::Role;
use crate::web::console::Shared;
use crate::web::filters;
use crate::web::layout::{self, Answer, Done, LookAt, Page, SentTo};
use crate::web::refusal::Refusal;

/// Longest file that is edited as a text, bytes; to longer ones entries are added.
pub(in crate::web) const EDITED: usize = 256 << 10;
/// Longest file that is opened here, bytes.
const OPENED: u64 = 64 << 20;
/// Longest entry or remark, characters.
const ENTRY: usize = 320;
/// Lines of a change that the audit log names.
const TOLD: usize = 20;

/// One writer at a time.
static WRITING: Mutex<()> = Mutex::const_new(());

#[derive(Template)]
#[template(path = "list.html")]
struct ListPage {
    page: Page,
    list: ListFile,
    uses: Vec<ListFile>,
    text: String,
    digest: String,
    entries: usize,
    bytes: u64,
    /// Too long to be edited, so only its beginning is shown.
    is_long: bool,
    is_writable: bool,
}

/// A list file and all uses of it.
pub(in crate::web) fn find(
    console: &Shared,
    key: &str,
) -> Result<(ListFile, Vec<ListFile>), Refusal> {
    let engine = console.services.engine.load_full();
    let config = engine.config().ok_or(Refusal::NotFound)?;
    let uses: Vec<ListFile> = lists(config).into_iter().filter(|l| l.key == key).collect();
    let first = uses.first().cloned().ok_or(Refusal::NotFound)?;
    Ok((first, uses))
}

pub(in crate::web) async fn read(path: &Path) -> Result<String, Refusal> {
    let path = path.to_owned();
    let look = move || match std::fs::metadata(&path) {
        Ok(found) if found.len() > OPENED => Err("it is too long to be opened here".to_owned()),
        Ok(_) => std::fs::read_to_string(&path).map_err(|e| e.to_string()),
        Err(error) => Err(error.to_string()),
    };
    let text = tokio::task::spawn_blocking(look).await;
    let text = text.map_err(|error| Refusal::internal("a list cannot be read", &error))?;
    text.map_err(|why| Refusal::Conflict(format!("The file cannot be read: {why}.")))
}

pub(in crate::web) fn digest(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

/// The page with `text` in the box, which may differ from the file.
async fn page(console: &Shared, key: &str, page: Page, edited: Option<(String, String)>) -> Answer {
    let (list, uses) = find(console, key)?;
    let text = read(&list.path).await?;
    let is_long = text.len() > EDITED;
    let entries = policy::check_list(&Source::new(&list.path, text.as_str()));
    let bytes = text.len() as u64;
    let end = text.floor_char_boundary(EDITED);
    let (text, digest) = match edited {
        Some(edited) => edited,
        None => (
            text.get(..end).unwrap_or_default().to_owned(),
            digest(&text),
        ),
    };
    layout::render(&ListPage {
        is_writable: uses.iter().any(|l| l.is_senders) && page.may(&Role::Admin),
        page,
        list,
        uses,
        entries: entries.unwrap_or(0),
        bytes,
        text,
        digest,
        is_long,
    })
}

fn frame(visitor: &Visitor) -> Page {
    Page::new("List", "/policy/list", visitor)
}

pub(in crate::web) async fn show(
    (State(console), visitor, Key(key), Query(done)): LookAt<Done>,
) -> Answer {
    let note = match done.done.as_str() {
        "written" => {
            Some("The file is written. The daemon takes it when it next looks for changes.")
        }
        "same" => Some("Nothing was changed."),
        _ => None,
    };
    page(&console, &key, frame(&visitor).with_note(note), None).await
}

#[derive(Deserialize)]
pub(in crate::web) struct Text {
    text: String,
    digest: String,
}

pub(in crate::web) async fn replace(
    (State(console), visitor, Key(key), Form(given)): SentTo<Text>,
) -> Result<Response, Refusal> {
    let text = as_file(&given.text)?;
    write(&console, &visitor, &key, Some(&given.digest), |_| {
        text.clone()
    })
    .await
}

#[derive(Deserialize)]
pub(in crate::web) struct Added {
    entry: String,
    #[serde(default)]
    remark: String,
}

pub(in crate::web) async fn add(
    (State(console), visitor, Key(key), Form(given)): SentTo<Added>,
) -> Result<Response, Refusal> {
    let with = with_line(&given.entry, &given.remark)?;
    write(&console, &visitor, &key, None, with).await
}

/// What became of a change.
pub(in crate::web) enum Change {
    /// It is as it was.
    Same(String),
    /// It is this now.
    Written(String),
    /// Nothing was written: it would be this, and why not.
    Refused(String, Refusal),
}

/// Writes what `new` makes of the file, if it still is the one with the digest `known` and what is made of it is in order.
pub(in crate::web) async fn change(
    console: &Shared,
    visitor: &Visitor,
    key: &str,
    known: Option<&str>,
    new: impl Fn(&str) -> String,
) -> Result<Change, Refusal> {
    let (list, uses) = find(console, key)?;
    if !uses.iter().any(|l| l.is_senders) {
        return Err(Refusal::Forbidden(
            "Only lists of allowed and denied senders are edited here.",
        ));
    }
    let _turn = WRITING.lock().await;
    let old = read(&list.path).await?;
    let text = new(&old);
    if known.is_some_and(|known| known != digest(&old)) {
        let why = "Somebody else has changed the file meanwhile.".to_owned();
        return Ok(Change::Refused(text, Refusal::Conflict(why)));
    }
    if text == old {
        return Ok(Change::Same(text));
    }
    let written = Source::new(list.written.as_str(), text.as_str());
    if let Err(problems) = policy::check_list(&written) {
        let why = format!("Nothing was written.\n{problems}");
        return Ok(Change::Refused(text, Refusal::Invalid(why)));
    }
    let (path, bytes) = (list.path.clone(), text.clone().into_bytes());
    let done = tokio::task::spawn_blocking(move || put(&path, &bytes)).await;
    let done = done.map_err(|error| Refusal::internal("a list cannot be written", &error))?;
    if let Err(error) = done {
        let why = format!(
            "The file cannot be written: {error}. Its folder must belong to the user of the daemon, and the service must be allowed to write there (docs/console.md)."
        );
        return Ok(Change::Refused(text, Refusal::Conflict(why)));
    }
    let detail = difference(&old, &text);
    console
        .record(&visitor.actor(), "list.edit", &list.written, &detail)
        .await;
    tracing::info!(list = list.written, user = visitor.name, address = %visitor.address, "console: a list was changed");
    Ok(Change::Written(text))
}

/// Changes the file and shows what became of it.
async fn write(
    console: &Shared,
    visitor: &Visitor,
    key: &str,
    known: Option<&str>,
    new: impl Fn(&str) -> String,
) -> Result<Response, Refusal> {
    let done = match change(console, visitor, key, known, new).await? {
        Change::Same(_) => "same",
        Change::Written(_) => "written",
        Change::Refused(text, why) => {
            let status = why.status();
            let mut told = why.text();
            if known.is_some() && status == StatusCode::CONFLICT {
                told.push_str(" What you wrote is in the box below; to change the file as it is now, open the page anew.");
            }
            let edited = known.map(|known| (text, known.to_owned()));
            let page = page(console, key, frame(visitor).with_problem(told), edited).await?;
            return Ok((status, page).into_response());
        }
    };
    Ok(Redirect::to(&format!("/policy/list/{key}?done={done}")).into_response())
}

/// A text with an entry and its remark as the last line.
pub(in crate::web) fn with_line(
    entry: &str,
    remark: &str,
) -> Result<impl Fn(&str) -> String + use<>, Refusal> {
    let (entry, remark) = (entry.trim(), remark.trim());
    let is_line =
        |text: &str| text.chars().count() <= ENTRY && !text.chars().any(crate::printable::deceives);
    if entry.is_empty() || entry.contains('#') || !is_line(entry) || !is_line(remark) {
        return Err(Refusal::Invalid(
            "An entry is one address or domain, a remark one line.".to_owned(),
        ));
    }
    let line = match remark {
        "" => format!("{entry}\n"),
        remark => format!("{entry}  # {remark}\n"),
    };
    Ok(
        move |old: &str| match old.is_empty() || old.ends_with('\n') {
            true => format!("{old}{line}"),
            false => format!("{old}\n{line}"),
        },
    )
}

/// A text that somebody has written, with the ends of lines that files have, and one behind the last line.
pub(in crate::web) fn as_file(text: &str) -> Result<String, Refusal> {
    // Browsers send the ends of lines as they are in mail.
    let text = text.replace("\r\n", "\n");
    let text = match text.is_empty() || text.ends_with('\n') {
        true => text,
        false => text + "\n",
    };
    match text.len() > EDITED {
        true => Err(Refusal::TooLarge(EDITED)),
        false => Ok(text),
    }
}

/// Replaces a file, with the permissions that it has; a link stays one.
fn put(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let path: PathBuf = std::fs::canonicalize(path)?;
    let mode = std::fs::metadata(&path)?.permissions().mode();
    durable::replace(&path, bytes)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode))
}

/// The lines that went and those that came, the first of them, as sets.
fn difference(old: &str, new: &str) -> String {
    let set = |text: &str| {
        text.lines()
            .map(str::to_owned)
            .collect::<std::collections::BTreeSet<_>>()
    };
    let (before, after) = (set(old), set(new));
    let gone = before.difference(&after).map(|line| format!("-{line}"));
    let came = after.difference(&before).map(|line| format!("+{line}"));
    let all: Vec<String> = gone.chain(came).collect();
    let more = all.len().saturating_sub(TOLD);
    let mut told: Vec<String> = all.into_iter().take(TOLD).collect();
    if more > 0 {
        told.push(format!("and {more} more lines"));
    }
    told.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_audit_log_names_the_lines_that_went_and_came() {
        assert_eq!(difference("a\nb\n", "b\nc\n"), "-a\n+c");
        let many: String = (0..100).map(|n| format!("{n}.example\n")).collect();
        let told = difference("", &many);
        assert_eq!(told.lines().count(), TOLD + 1);
        assert!(told.ends_with("and 80 more lines"));
    }

    #[test]
    fn a_file_keeps_its_permissions_and_a_link_stays_one() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("a.txt"), folder.path().join("b.txt"));
        std::fs::write(&file, "old").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        put(&link, b"new").unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"new");
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
    }
}
