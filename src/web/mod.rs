//! The console: what people look at and work with in a browser, and the ground that the HTTP API stands on.
//!
//! In: HTTP requests on the address `console.listen`, by TLS or from a proxy. Out: pages made on the server, usable
//! without script; a small script of ours sorts tables, refreshes live parts and keeps keys at hand. Nothing is loaded
//! from anywhere else, and nothing is built before it runs: templates, style and script are in the binary.
//!
//! How it is put together, from the outside in:
//!
//! - [`server`]: connections, bounded in number and time, with or without TLS.
//! - [`router`]: which page belongs to which path. Every path but sign-in, links and assets goes through [`access`].
//! - [`access`]: one gate for all: who is it (session cookie, or token for programs), may they, is the request their own
//!   (Origin and form token of whatever changes something), is it not too long. A page behind it has a [`Visitor`]
//!   and needs no checks of its own. What pages add themselves: [`Console::record`] for each change.
//! - [`reload`]: what a reload of the configuration changes here, and new certificates.
//! - [`layout`]: what pages have in common; each page has a module, and a template of the same name that extends
//!   `layout.html`. Every value is escaped by the template; text of messages goes through `|visible(LENGTH)` too.
//! - [`accounts`]: users, sessions, tokens and the audit log, in a file.
//! - [`oidc`]: sign-in by a provider, beside passwords.
//!
//! A page of one's own: a module with `routes(access: &Access) -> Router<Shared>`, made of
//! `access.allow(Role::..., Router::new().route(...))`, merged in [`router`]; a line in [`layout`]'s menu; handlers that
//! take a [`layout::Look`] or [`layout::Sent`] and give a [`layout::Answer`], by
//! `layout::render(&Template { page: Page::new("Title", "/path", &visitor), ... })`; forms with a hidden field
//! `form_token`. Programs (`/api/`) use [`access::Access::programs`] instead: tokens are taken there, sessions with the
//! header `X-Form-Token`, and refusals are JSON.
//!
//! Promises: nothing of a message reaches a browser as anything but text; a page costs bounded time and memory; the
//! mail path never waits for the console.

mod access;
mod account;
pub mod accounts;
mod address;
mod api;
mod assets;
mod audit;
mod chart;
mod classifier;
mod configuration;
mod console;
mod cookie;
mod explanation;
mod filters;
mod headers;
mod history;
mod journal;
mod layout;
mod login;
mod models;
mod oidc;
mod options;
mod overview;
mod policies;
mod quarantine;
mod readings;
mod refusal;
mod reload;
mod router;
mod rules;
mod samples;
mod server;
mod stranger;
mod throttle;
mod tls;
mod troubles;
mod users;
mod visitor;
mod welcome;
mod whoami;

pub use console::Console;
pub use journal::{Journal, JournalEntry};
pub use oidc::{Options as OidcOptions, RoleNames, probe as provider_probe};
pub use options::{Options, SessionOptions, Settings, TlsOptions};
pub use server::{WebListener, serve};
pub use welcome::link as one_time_link;

use visitor::Visitor;
