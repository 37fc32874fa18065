//! mailweir: an inbound spam and virus filter that mail servers speak to over the milter protocol.
//!
//! The modules, in the order in which a message meets them:
//!
//! - [`milter`]: the wire protocol and its session machine, bytes to types and back, without I/O.
//! - [`server`]: listeners, permits, the session driver, timeouts, drain and reload.
//! - [`scanners`]: the protocols of spamd and rspamd, for programs that speak these.
//! - [`mail`]: envelope, message, MIME parts, text, URLs; damage becomes flags, never errors.
//! - [`content`]: the files of a message: attachments, and what archives and documents hold.
//! - [`dns`]: the resolver that filters share, with its cache and its bounds.
//! - [`auth`]: SPF, DKIM, DMARC, ARC and reverse DNS, without scores and sockets.
//! - [`heard`]: what filters hear from outside about a message, kept, and told again for a replay.
//! - [`filter`]: the chain and its members: DNS lists, sender authentication, rules, Bayes, ClamAV.
//! - [`policy`]: which way a message goes, and what holds for it.
//! - [`verdict`]: a pure function from outcomes to one verdict.
//! - [`router`]: a verdict becomes replies, header changes and side effects.
//! - [`events`]: what happens, told to the outside: a file of JSON lines, a webhook.
//! - [`quarantine`]: the durable store of what was held back.
//! - [`history`]: what became of each message and why, kept for people to search, explain and replay.
//! - [`store`]: what filters remember of senders, in memory and in a file.
//! - [`import`]: rules of other filters, written as rule files.
//! - [`config`]: what the admin wrote, checked, as what the daemon runs with.
//! - [`metrics`]: every metric in one place.
//! - [`workbench`]: the analyst's side of the classifier: figures, corpora, and which model is in force.
//! - [`tuning`]: what rules are worth, told from sorted mail, and scores fitted to it.
//! - [`web`]: the console in a browser.
//! - `https`: requests to other hosts: a webhook, a provider of sign-ins.
//! - `printable`: text from outside made harmless for whoever reads it.
//! - `clock`: the wall clock, as numbers.
//! - [`cli`]: the commands.

pub mod auth;
pub mod cli;
mod clock;
pub mod config;
pub mod content;
pub mod dns;
pub mod events;
pub mod filter;
pub mod heard;
pub mod history;
mod host;
mod http_connections;
mod https;
pub mod import;
pub mod mail;
pub mod metrics;
pub mod milter;
pub mod policy;
mod printable;
pub mod quarantine;
pub mod router;
pub mod scanners;
pub mod server;
pub mod store;
pub mod tuning;
pub mod verdict;
pub mod web;
pub mod workbench;
