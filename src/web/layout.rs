//! What pages have in common: the frame around them, the menu, the note about what was just done.

use askama::Template;
use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Html;
use serde::Deserialize;

use super::accounts::Role;
use super::console::Shared;
use super::refusal::Refusal;
use super::{Visitor, access};

/// What a page is made from: the console, who looks, and what the address asks for behind its `?`.
pub(super) type Look<Asked> = (State<Shared>, Visitor, Query<Asked>);
/// The same of the page of one thing, whose key stands in the path.
pub(super) type LookAt<Asked> = (State<Shared>, Visitor, Path<String>, Query<Asked>);
/// The console, who works, and the form that they send.
pub(super) type Sent<Given> = (State<Shared>, Visitor, Form<Given>);
/// The same of a form about one thing, whose key stands in the path.
pub(super) type SentTo<Given> = (State<Shared>, Visitor, Path<String>, Form<Given>);
/// A page, or why there is none.
pub(super) type Answer = Result<Html<String>, Refusal>;

/// Path, word and least role of each entry of the menu, in order.
const MENU: &[(&str, &str, Role)] = &[
    ("/", "Overview", Role::Viewer),
    ("/history", "History", Role::Viewer),
    ("/quarantine", "Quarantine", Role::Viewer),
    ("/rules", "Rules", Role::Viewer),
    ("/classifier", "Classifier", Role::Viewer),
    ("/policy", "Policy", Role::Viewer),
    ("/configuration", "Configuration", Role::Admin),
    ("/log", "Log", Role::Admin),
    ("/users", "Users", Role::Admin),
    ("/audit", "Audit log", Role::Admin),
];

/// What was just done, as a word of our own in the address that a form leads to.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Done {
    #[serde(default)]
    pub(super) done: String,
}

/// An entry of the menu.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) path: &'static str,
    pub(super) word: &'static str,
    pub(super) is_here: bool,
}

/// What `layout.html` needs.
#[derive(Clone, Debug)]
pub(super) struct Page {
    /// Of the page, and with the name of the program of the browser's window.
    pub(super) title: String,
    /// What the visitor may go to.
    pub(super) menu: Vec<Entry>,
    /// Their name.
    pub(super) name: String,
    /// Their role.
    pub(super) role: Role,
    /// For the hidden field of forms.
    pub(super) form_token: String,
    /// What was just done.
    pub(super) note: Option<String>,
    /// What went wrong with what was just tried.
    pub(super) problem: Option<String>,
}

impl Page {
    /// The frame of a page at `here`, a path of the menu or one below it.
    pub(super) fn new(title: &str, here: &str, visitor: &Visitor) -> Page {
        let menu = MENU.iter().filter(|(_, _, role)| visitor.may(*role));
        let entry = |(path, word, _): &(&'static str, &'static str, Role)| Entry {
            path,
            word,
            is_here: *path == here || (*path != "/" && here.starts_with(&format!("{path}/"))),
        };
        Page {
            title: title.to_owned(),
            menu: menu.map(entry).collect(),
            name: visitor.name.clone(),
            role: visitor.role,
            form_token: visitor.form_token.clone(),
            note: None,
            problem: None,
        }
    }

    /// With a note about what was done, if anything was.
    pub(super) fn with_note(mut self, note: Option<impl Into<String>>) -> Page {
        self.note = note.map(Into::into);
        self
    }

    /// With what went wrong.
    pub(super) fn with_problem(mut self, problem: impl Into<String>) -> Page {
        self.problem = Some(problem.into());
        self
    }

    /// Whether the visitor may do what this role may.
    pub(super) fn may(&self, role: &Role) -> bool {
        self.role >= *role
    }
}

/// A part of a page that is refreshed while it is looked at: alone where our script asks for it, else within its page.
pub(super) fn render_live<Live: Template, Whole: Template>(
    headers: &HeaderMap,
    live: Live,
    around: impl FnOnce(Live) -> Whole,
) -> Answer {
    match access::wants_part(headers) {
        true => render(&live),
        false => render(&around(live)),
    }
}

/// The page of a template.
pub(super) fn render(template: &impl Template) -> Answer {
    let html = template.render();
    html.map(Html)
        .map_err(|error| Refusal::internal("a page cannot be made", &error))
}
