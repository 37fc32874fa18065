//! `mailweir facts`: look at what the daemon remembers of senders, and have it forget.
//!
//! Works beside the running daemon, which writes what has changed each second and forgets within a second what it is
//! told to. Words of keys come from envelopes and headers and are escaped before they reach the terminal.

use std::io::Write;
use std::net::IpAddr;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use comfy_table::{ContentArrangement, Table as Screen, presets};
use ipnet::IpNet;
use jiff::Timestamp;
use serde_json::json;

use crate::dns::domain;
use crate::filter::{greylist, remembered_address};
use crate::printable::printable;
use crate::store::{FILE, Fact, Key, Kind, Row, Table};

/// Longest word of a key that is shown, characters.
const WORD: usize = 80;

/// Arguments of `mailweir facts`.
#[derive(Clone, Debug, Args)]
pub(super) struct FactsArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// Show what is remembered of an address, a domain, a network or a login
    Show {
        #[command(flatten)]
        about: About,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Forget it, also in a running daemon
    Forget {
        #[command(flatten)]
        about: About,
        /// Only show what would be forgotten
        #[arg(long)]
        dry_run: bool,
    },
}

/// Which facts.
#[derive(Clone, Debug, Args)]
struct About {
    /// An address of a client or a network, a mail address, a domain with all below it, or a login
    key: String,
    /// Only facts of this kind
    #[arg(long, value_parser = kinds())]
    kind: Option<Kind>,
}

fn kinds() -> impl TypedValueParser<Value = Kind> {
    PossibleValuesParser::new(Kind::ALL.map(Kind::name))
        .try_map(|name| Kind::named(&name).ok_or("no such kind"))
}

/// Runs the command on the facts in `folder`.
///
/// # Errors
/// No facts there, a file that cannot be used, output that cannot be written.
pub(super) async fn run(args: FactsArgs, folder: &Path) -> anyhow::Result<ExitCode> {
    let path = folder.join(FILE);
    if !path.exists() {
        anyhow::bail!(
            "there are no facts in {}: the daemon begins the file when greylist, rates or reputation is in its chain",
            folder.display()
        );
    }
    let table = Table::open(&path)
        .await
        .with_context(|| format!("cannot open {}", path.display()))?;
    let done = command(args.command, &table).await;
    table.close().await;
    done
}

async fn command(command: Command, table: &Table) -> anyhow::Result<ExitCode> {
    let (about, json, forget) = match &command {
        Command::Show { about, json } => (about, *json, false),
        Command::Forget { about, dry_run } => (about, false, !dry_run),
    };
    let wanted = Wanted::new(&about.key);
    let now = Timestamp::now().as_millisecond();
    let rows = table
        .find(now, |row| {
            about.kind.is_none_or(|kind| kind == row.kind) && wanted.matches(&row.subject)
        })
        .await?;
    if forget {
        table.forget(&rows).await?;
    }
    let mut out = std::io::stdout().lock();
    if json {
        for row in &rows {
            writeln!(out, "{}", object(row))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    match (rows.len(), &command) {
        (0, _) => {
            let key = printable(&about.key, WORD);
            writeln!(out, "Nothing is remembered of {key}.")?;
        }
        (_, Command::Show { .. }) => writeln!(out, "{}", screen(&rows))?,
        (facts, Command::Forget { dry_run: true, .. }) => {
            writeln!(out, "{}\n{facts} fact(s) would be forgotten", screen(&rows))?;
        }
        (facts, Command::Forget { .. }) => writeln!(out, "{facts} fact(s) forgotten")?,
    }
    Ok(ExitCode::SUCCESS)
}

/// What to look for in the words of keys.
#[derive(Clone, Debug)]
struct Wanted {
    network: Option<IpNet>,
    /// The key in each of the spellings in which it may be remembered.
    words: Vec<String>,
    /// A domain, of which everything is wanted.
    domain: Option<String>,
}

impl Wanted {
    fn new(key: &str) -> Wanted {
        let key = key.trim();
        let network = key
            .parse::<IpNet>()
            .ok()
            .or_else(|| key.parse::<IpAddr>().ok().map(IpNet::from));
        let mut words = vec![key.to_lowercase()];
        if key.contains('@') {
            words.extend(remembered_address(key));
            words.push(greylist::remembered_sender(key));
        }
        Wanted {
            network,
            words,
            domain: domain::name(key).filter(|_| network.is_none() && !key.contains('@')),
        }
    }

    fn matches(&self, subject: &str) -> bool {
        subject.split(Key::SEPARATOR).any(|word| {
            let within = |network: &IpNet| {
                let theirs = word.parse::<IpNet>();
                theirs.is_ok_and(|n| n.contains(network) || network.contains(&n))
            };
            self.words.iter().any(|wanted| wanted == word)
                || self.network.as_ref().is_some_and(within)
                || self.domain.as_ref().is_some_and(|wanted| {
                    let of = word.rsplit_once('@').map_or(word, |(_, domain)| domain);
                    domain::is_within(of, wanted)
                })
        })
    }
}

fn screen(rows: &[Row]) -> Screen {
    let mut screen = Screen::new();
    screen
        .load_style(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header([
            "Kind",
            "Of",
            "First (UTC)",
            "Last (UTC)",
            "Until (UTC)",
            "What",
        ]);
    for row in rows {
        let words = row.subject.split(Key::SEPARATOR);
        let words: Vec<String> = words.map(|word| printable(word, WORD)).collect();
        let fact = &row.fact;
        screen.add_row([
            row.kind.name().to_owned(),
            words.join(" "),
            moment(fact.since),
            moment(fact.at),
            moment(fact.expires),
            what(row.kind, fact),
        ]);
    }
    screen
}

fn moment(millis: i64) -> String {
    Timestamp::from_millisecond(millis)
        .map(|at| at.strftime("%Y-%m-%d %H:%M:%S").to_string())
        .unwrap_or_default()
}

/// A fact in words.
fn what(kind: Kind, fact: &Fact) -> String {
    let count = fact.count;
    match kind {
        Kind::GreylistWaiting => format!("put off, {count} attempts"),
        Kind::GreylistPassed => format!("came back, {count} deliveries"),
        Kind::GreylistOrigin => format!("{count} deliveries came back"),
        Kind::Rate => format!("{:.1} in the bucket at the last", fact.total),
        Kind::Network | Kind::Domain | Kind::UnprovenDomain | Kind::SigningDomain => {
            let spam = 100.0 * fact.total / count.max(f64::MIN_POSITIVE);
            format!("{count:.1} messages, {spam:.0} % spam")
        }
        Kind::Correspondent => format!("written to, {count} messages"),
        Kind::Contact => format!("{count} messages came"),
        Kind::SentMessage => "sent".to_owned(),
    }
}

fn object(row: &Row) -> serde_json::Value {
    let at = |millis| {
        Timestamp::from_millisecond(millis)
            .ok()
            .map(|t| t.to_string())
    };
    json!({
        "kind": row.kind.name(),
        "key": row.subject.split(Key::SEPARATOR).collect::<Vec<_>>(),
        "since": at(row.fact.since),
        "at": at(row.fact.at),
        "expires": at(row.fact.expires),
        "count": row.fact.count,
        "total": row.fact.total,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_found_by_any_of_their_words_as_people_write_them() {
        let triplet = Key::new(&[
            "192.0.2.0/24",
            "bounce-#@list.example",
            "ann@xn--mller-kva.example",
        ]);
        let matches = |key| Wanted::new(key).matches(triplet.subject());
        for key in [
            "192.0.2.77",
            "192.0.2.0/24",
            "192.0.0.0/16",
            "bounce-1234@list.example",
            "list.example",
            "Ann@müller.example",
            "müller.example",
        ] {
            assert!(matches(key), "{key}");
        }
        for key in [
            "198.51.100.1",
            "example",
            "xlist.example",
            "ann@list.example",
            "192",
        ] {
            assert!(!matches(key), "{key}");
        }
        let domain = Key::new(&["news.example.org"]);
        assert!(Wanted::new("example.org").matches(domain.subject()));
        let login = Key::new(&["user_day", "ann"]);
        assert!(Wanted::new("Ann").matches(login.subject()));
    }
}
