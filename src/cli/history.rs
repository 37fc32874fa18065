//! `mailweir history`: what became of messages, searched.
//!
//! Works beside the running daemon. Whatever comes from a message is escaped before it reaches the terminal.

mod display;

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use jiff::Timestamp;

use super::ConfigArgs;
use super::when::Span;
use super::words::one_of;
use crate::config::Config;
use crate::filter::Action;
use crate::history::{Cursor, History, PAGE, Query};
use crate::mail::Direction;
use crate::metrics::Metrics;

/// Search what became of messages: who sent what to whom, the verdict and why, the newest first.
///
/// Every filter that is given must hold. Words match the subject, addresses, domains, clients, rules, Message-IDs and
/// queue ids; `word*` matches words of the subject that begin so. `mailweir explain ID` says why. Exit codes: 0 done, also
/// when nothing is found; 1 there is no history, or it cannot be used; 2 the command line is wrong.
#[derive(Debug, Args)]
pub(super) struct HistoryArgs {
    #[command(flatten)]
    pub(super) config: ConfigArgs,
    #[command(flatten)]
    filters: Filters,
    /// Counts by the hour, rules and senders of most messages, instead of messages; of the last day, or from --since to
    /// --until.
    #[arg(long, conflicts_with_all = FILTERS)]
    overview: bool,
    /// At most so many; 0 for all.
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
    /// Go on where a page ended: what was printed behind `--before`.
    #[arg(long, value_name = "CURSOR")]
    before: Option<Cursor>,
    /// Print one JSON object a message.
    #[arg(long)]
    json: bool,
}

/// Options that an overview does not know.
const FILTERS: [&str; 17] = [
    "words",
    "id",
    "address",
    "sender",
    "recipient",
    "client",
    "subject",
    "rule",
    "verdict",
    "direction",
    "policy",
    "user",
    "unscanned",
    "message_id",
    "queue_id",
    "quarantined",
    "before",
];

/// Which messages.
#[derive(Clone, Debug, Default, Args)]
struct Filters {
    /// Words to look for.
    #[arg(value_name = "WORD")]
    words: Vec<String>,
    /// The id of the message.
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Address or domain of the sender, of From, or of a recipient.
    #[arg(long, value_name = "ADDR")]
    address: Option<String>,
    /// Address or domain of the sender or of From.
    #[arg(long, value_name = "ADDR")]
    sender: Option<String>,
    /// Address or domain of a recipient.
    #[arg(long, value_name = "ADDR")]
    recipient: Option<String>,
    /// Address, network or name of the client, or its HELO.
    #[arg(long, value_name = "CLIENT")]
    client: Option<String>,
    /// Words of the subject.
    #[arg(long, value_name = "WORDS")]
    subject: Option<String>,
    /// A rule that hit; may be repeated.
    #[arg(long, value_name = "RULE")]
    rule: Vec<String>,
    /// The verdict.
    #[arg(long, value_name = "VERDICT", value_parser = one_of(&Action::ALL, Action::name))]
    verdict: Option<Action>,
    /// Which way the message went.
    #[arg(long, value_parser = one_of(&Direction::ALL, Direction::name))]
    direction: Option<Direction>,
    /// The policy of one of the recipients.
    #[arg(long, value_name = "NAME")]
    policy: Option<String>,
    /// The login of the client.
    #[arg(long, value_name = "LOGIN")]
    user: Option<String>,
    /// A filter that could not check the message.
    #[arg(long, value_name = "FILTER")]
    unscanned: Option<String>,
    /// The Message-ID.
    #[arg(long, value_name = "ID")]
    message_id: Option<String>,
    /// The queue id of the mail server.
    #[arg(long, value_name = "ID")]
    queue_id: Option<String>,
    /// Only messages of which a copy went into the quarantine.
    #[arg(long)]
    quarantined: bool,
    /// By the time of the verdict.
    #[command(flatten)]
    span: Span,
}

impl From<&Filters> for Query {
    fn from(filters: &Filters) -> Query {
        let filters = filters.clone();
        Query {
            id: filters.id,
            text: (!filters.words.is_empty()).then(|| filters.words.join(" ")),
            address: filters.address,
            sender: filters.sender,
            recipient: filters.recipient,
            client: filters.client,
            subject: filters.subject,
            rules: filters.rule,
            verdict: filters.verdict,
            direction: filters.direction,
            policy: filters.policy,
            user: filters.user,
            unscanned: filters.unscanned,
            message_id: filters.message_id,
            queue_id: filters.queue_id,
            quarantined: filters.quarantined,
            digest: None,
            from: filters.span.since,
            to: filters.span.until,
        }
    }
}

pub(super) fn run(args: &HistoryArgs, config: &Config) -> anyhow::Result<ExitCode> {
    super::runtime()?.block_on(async {
        let metrics = Arc::new(Metrics::new()?);
        let history = History::read(&config.data_dir, metrics)
            .await
            .context("cannot read the history")?;
        let done = match args.overview {
            true => overview(args, &history).await,
            false => search(args, &history).await,
        };
        history.close().await;
        done
    })
}

async fn search(args: &HistoryArgs, history: &History) -> anyhow::Result<ExitCode> {
    let query = Query::from(&args.filters);
    let mut left = match args.limit {
        0 => usize::MAX,
        limit => limit,
    };
    let mut before = args.before;
    let mut shown = 0;
    let mut out = std::io::stdout().lock();
    loop {
        let page = history.search(&query, before, left.min(PAGE)).await?;
        if args.json {
            for entry in &page.entries {
                writeln!(out, "{}", serde_json::to_string(entry)?)?;
            }
        } else if !page.entries.is_empty() {
            writeln!(out, "{}", display::messages(&page.entries))?;
        }
        shown += page.entries.len();
        left -= page.entries.len();
        before = page.next;
        if left == 0 || before.is_none() {
            break;
        }
    }
    if !args.json {
        match (shown, before) {
            (0, _) => writeln!(out, "Nothing is found.")?,
            (_, Some(cursor)) => writeln!(out, "There is more: --before {cursor}")?,
            (_, None) => {}
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn overview(args: &HistoryArgs, history: &History) -> anyhow::Result<ExitCode> {
    let day = jiff::SignedDuration::from_hours(24);
    let to = args.filters.span.until.unwrap_or_else(Timestamp::now);
    let from = args.filters.span.since.unwrap_or(to - day);
    let overview = history.overview(from, to).await?;
    let mut out = std::io::stdout().lock();
    match args.json {
        true => writeln!(out, "{}", serde_json::to_string(&overview)?)?,
        false => writeln!(out, "{}", display::overview(&overview))?,
    }
    Ok(ExitCode::SUCCESS)
}
