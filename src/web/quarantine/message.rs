//! One message: what is known of it, why it was held, what it says.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::IntoResponse;

use super::list::{sender, subject, tag};
use crate::mail::Removed;
use crate::quarantine::preview::{Preview, Reason, Said, Way};
use crate::quarantine::{Delivery, QuarantineError, Record, State as Fate};
use crate::web::Visitor;
use crate::web::accounts::Role;
use crate::web::console::Shared;
use crate::web::filters;
use crate::web::layout::{self, Answer, Done, LookAt, Page};
use crate::web::refusal::Refusal;

#[derive(Template)]
#[template(path = "quarantine_message.html", whitespace = "minimize")]
struct MessagePage {
    page: Page,
    id: String,
    subject: String,
    state: &'static str,
    tag: &'static str,
    facts: Vec<(&'static str, String)>,
    received: i64,
    recipients: Vec<Recipient>,
    may_work: bool,
    reasons: Vec<Opinion>,
    preview: Option<Shown>,
    analyst: Option<String>,
}

struct Recipient {
    address: String,
    state: &'static str,
    tag: &'static str,
    released: Option<i64>,
    other: bool,
    /// Chosen for a release before anybody has looked.
    chosen: bool,
}

/// What one filter said.
struct Opinion {
    filter: String,
    said: String,
    bad: bool,
    hits: Vec<Hit>,
}

struct Hit {
    rule: String,
    score: String,
    evidence: String,
    note: String,
}

/// What is to be seen of the message itself.
struct Shown {
    fields: Vec<(String, String)>,
    more_fields: usize,
    way: Vec<Hop>,
    bodies: Vec<Text>,
    cut: bool,
    files: Vec<File>,
    more_files: usize,
    damage: Vec<&'static str>,
}

struct Text {
    /// Safe by construction.
    html: String,
    plain: bool,
    removed: Vec<String>,
}

struct Hop {
    from: String,
    by: String,
    with: String,
    at: Option<i64>,
    after: String,
    late: bool,
}

struct File {
    path: String,
    kind: String,
    size: u64,
    sha256: String,
    odd: Vec<&'static str>,
    depth: usize,
}

pub(super) async fn message(
    (State(console), visitor, Path(id), Query(done)): LookAt<Done>,
) -> Answer {
    let note = match done.done.as_str() {
        "released" => Some("The message is released."),
        "released-ham" => Some("The message is released and learned as ham."),
        "forwarded" => Some("The message is forwarded."),
        _ => None,
    };
    page(&console, &visitor, &id, note, None).await
}

/// The page of a message, with what was just done to it or what went wrong with that.
pub(super) async fn page(
    console: &Shared,
    visitor: &Visitor,
    id: &str,
    note: Option<&str>,
    mut problem: Option<String>,
) -> Answer {
    let quarantine = &console.services.quarantine;
    let id = id.to_ascii_uppercase();
    let (record, preview) = match quarantine.preview(&id).await {
        Ok((record, preview)) => (record, Some(preview)),
        // What is known of it stays known.
        Err(QuarantineError::Lost(_) | QuarantineError::Damaged { .. }) => {
            (quarantine.get(&id).await?, None)
        }
        Err(QuarantineError::Objects(why)) => {
            problem.get_or_insert(format!("The object store does not give the message: {why}"));
            (quarantine.get(&id).await?, None)
        }
        Err(error) => return Err(error.into()),
    };
    let deliveries = quarantine.deliveries(&record.entry.id).await?;
    let reasons = crate::quarantine::preview::reasons(&record.entry);
    let mut page = Page::new(&subject(&record), "/quarantine/", visitor).with_note(note);
    page.title = crate::printable::printable(&page.title, 120);
    if let Some(problem) = problem {
        page = page.with_problem(crate::printable::printable(&problem, 1_000));
    } else if preview.is_none() {
        page = page
            .with_problem("The message itself is lost or damaged; this is what is known of it.");
    }
    let options = quarantine.options();
    let forward = &options.forward;
    layout::render(&MessagePage {
        page,
        id: record.entry.id.clone(),
        subject: subject(&record),
        state: record.state.name(),
        tag: tag(record.state),
        facts: facts(&record),
        received: record.entry.received.as_second(),
        recipients: recipients(&record, &deliveries),
        may_work: visitor.may(Role::Analyst),
        reasons: reasons.into_iter().map(said).collect(),
        preview: preview.map(shown),
        analyst: forward.to.as_ref().map(|to| to.value.clone()),
    })
}

fn recipients(record: &Record, deliveries: &[Delivery]) -> Vec<Recipient> {
    let shown = |delivery: &Delivery| {
        // As the message writes it, which is what a release goes to.
        let exact = record.entry.recipients.iter().map(|r| r.text());
        let exact = exact
            .into_iter()
            .find(|r| r.to_lowercase() == delivery.recipient);
        Recipient {
            address: exact.unwrap_or(&delivery.recipient).to_owned(),
            state: delivery.state.name(),
            tag: tag(delivery.state),
            released: delivery.released.map(|at| at.as_second()),
            other: delivery.other,
            chosen: delivery.state != Fate::Released && !delivery.other,
        }
    };
    deliveries.iter().map(shown).collect()
}

fn facts(record: &Record) -> Vec<(&'static str, String)> {
    let entry = &record.entry;
    let client = match (entry.client, &entry.client_name) {
        (Some(ip), Some(name)) => format!("{ip} ({name})"),
        (Some(ip), None) => ip.to_string(),
        (None, name) => name.clone().unwrap_or_default(),
    };
    let text = |place: &str| entry.verdict.pointer(place).and_then(|v| v.as_str());
    let policies: Vec<&str> = match entry.policies.as_slice() {
        [] => text("/policy/policy").into_iter().collect(),
        several => several.iter().map(|p| p.policy.as_str()).collect(),
    };
    let times = match record.seen {
        0 | 1 => String::new(),
        n => format!("{n} times"),
    };
    let facts = [
        ("From", sender(record)),
        (
            "Verdict",
            format!("{}, score {:.2}", entry.action, entry.score),
        ),
        ("Decided by", crate::quarantine::preview::decided_by(entry)),
        ("Policy", policies.join(", ")),
        ("Client", client),
        ("HELO", entry.helo.clone().unwrap_or_default()),
        ("Login", entry.authenticated.clone().unwrap_or_default()),
        ("Queue id", entry.queue_id.clone().unwrap_or_default()),
        ("Direction", entry.direction.name().to_owned()),
        ("Size", filters::size(entry.size)),
        (
            "Location",
            record.location.map_or(String::new(), |l| l.to_string()),
        ),
        ("Came", times),
        ("Id", entry.id.clone()),
    ];
    facts
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .collect()
}

fn said(reason: Reason) -> Opinion {
    let (said, bad) = match reason.said {
        Said::Checked if reason.hits.is_empty() => ("nothing found".to_owned(), false),
        Said::Checked => (String::new(), false),
        Said::Skipped(why) => (format!("skipped, {why}"), false),
        Said::NotChecked(why) => (format!("not checked, {why}"), true),
    };
    let hits = reason.hits.into_iter().map(|hit| Hit {
        rule: hit.rule,
        score: format!("{:.2}", hit.score),
        evidence: hit.evidence,
        note: match (hit.decisive, hit.shadow) {
            (Some(action), _) => format!("decides: {action}"),
            (None, Some(points)) => format!("on trial, would be {points:.2}"),
            (None, None) => String::new(),
        },
    });
    Opinion {
        filter: reason.filter,
        said,
        bad,
        hits: hits.collect(),
    }
}

fn shown(preview: Preview) -> Shown {
    let text = |body: &crate::quarantine::preview::Body| Text {
        html: body.html().to_owned(),
        plain: body.written == crate::quarantine::preview::Written::Text,
        removed: removed(&body.removed),
    };
    Shown {
        bodies: preview.bodies.iter().map(text).collect(),
        cut: preview.text_cut,
        way: preview.way.into_iter().map(hop).collect(),
        fields: preview
            .fields
            .into_iter()
            .map(|f| (f.name, f.value))
            .collect(),
        more_fields: preview.more_fields,
        files: preview.attachments.into_iter().map(file).collect(),
        more_files: preview.more_attachments,
        damage: preview.damage,
    }
}

/// What was left out of a text, in words.
fn removed(removed: &Removed) -> Vec<String> {
    let Removed {
        scripts,
        remote,
        frames,
        forms,
        hidden,
        characters,
    } = removed;
    let counted = [
        (scripts, "scripts left out"),
        (remote, "not loaded from elsewhere"),
        (frames, "frames left out"),
        (forms, "forms left out"),
        (hidden, "hidden texts, struck through"),
        (characters, "deceiving characters"),
    ];
    let counted = counted.into_iter().filter(|(n, _)| **n > 0);
    counted.map(|(n, word)| format!("{word}: {n}")).collect()
}

fn hop(way: Way) -> Hop {
    let words = [
        way.name.clone(),
        way.helo.filter(|_| way.name.is_none()),
        way.address.map(|a| format!("[{a}]")),
    ];
    let after = match way.seconds {
        None => String::new(),
        Some(s) if s < 0 => format!("{} s earlier", s.unsigned_abs()),
        Some(s) if s >= 7_200 => format!("{} h", s / 3_600),
        Some(s) if s >= 120 => format!("{} min", s / 60),
        Some(s) => format!("{s} s"),
    };
    Hop {
        from: words.into_iter().flatten().collect::<Vec<_>>().join(" "),
        by: way.by.unwrap_or_default(),
        with: way.with.unwrap_or_default(),
        at: way.at.map(|at| at.as_second()),
        after,
        late: way.seconds.is_some_and(|s| !(0..600).contains(&s)),
    }
}

fn file(file: crate::quarantine::preview::Attachment) -> File {
    let kind = match (file.real, file.declared) {
        (Some(real), Some(declared)) => format!("{real}, declared {declared}"),
        (Some(real), None) => real.to_owned(),
        (None, Some(declared)) => format!("declared {declared}"),
        (None, None) => "unknown".to_owned(),
    };
    File {
        path: match file.path.as_str() {
            "" => "(no name)".to_owned(),
            path => path.to_owned(),
        },
        kind,
        size: file.size,
        sha256: file.sha256.unwrap_or_default(),
        odd: file.odd,
        depth: file.depth,
    }
}

/// The exact bytes, as a file. A browser is told to save it and to look at it as nothing.
pub(super) async fn save(
    State(console): State<Shared>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, Refusal> {
    let quarantine = &console.services.quarantine;
    let record = quarantine.get(&id.to_ascii_uppercase()).await?;
    let id = record.entry.id;
    let raw = quarantine.read(&id).await?;
    console
        .record(&visitor.actor(), "quarantine.save", &id, "")
        .await;
    let name = format!("attachment; filename=\"{id}.eml\"");
    let fields = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_DISPOSITION, name),
    ];
    Ok((fields, raw))
}
