//! The arguments of `mailweir quarantine`.

use clap::{Args, Subcommand};
use ipnet::IpNet;

use crate::cli::when::Span;
use crate::cli::words::one_of;
use crate::config::ByteSize;
use crate::filter::Action;
use crate::quarantine::{Cursor, Filter, Sort, State};

/// Arguments of `mailweir quarantine`.
#[derive(Clone, Debug, Args)]
pub struct QuarantineArgs {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Clone, Debug, Subcommand)]
pub(super) enum Command {
    /// List messages, the newest first
    #[command(visible_alias = "search")]
    List {
        #[command(flatten)]
        search: Search,
        /// Sort by this, the largest or last first
        #[arg(long, value_name = "FIELD", default_value = "received", value_parser = one_of(&Sort::ALL, Sort::name))]
        sort: Sort,
        /// The smallest, first or oldest first
        #[arg(long)]
        reverse: bool,
        /// Go on where a list ended: the text that was printed below it
        #[arg(long, value_name = "CURSOR", conflicts_with = "offset")]
        after: Option<Cursor>,
        /// Leave out so many
        #[arg(long, default_value_t = 0, conflicts_with_all = ["sort", "reverse"])]
        offset: u32,
        /// At most so many; 0 for all
        #[arg(long, default_value_t = 50)]
        limit: u32,
        /// Only say how many there are
        #[arg(long, conflicts_with_all = ["after", "offset", "json"])]
        count: bool,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Show messages: envelope, verdict, every hit, the way it came, what is attached, what it says
    Show {
        /// Ids of messages
        #[arg(required = true)]
        ids: Vec<String>,
        /// The exact bytes of the message; on a terminal, escaped
        #[arg(long, conflicts_with_all = ["headers", "html", "json"])]
        raw: bool,
        /// The header of the message, escaped
        #[arg(long, conflicts_with_all = ["html", "json"])]
        headers: bool,
        /// What the message says, as HTML that can do nothing
        #[arg(long, conflicts_with = "json")]
        html: bool,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Hand messages to the mail server, to be delivered without being checked again
    Release {
        #[command(flatten)]
        choice: Choice,
        /// To this recipient only, or to somebody else; may be repeated
        #[arg(long, value_name = "ADDRESS")]
        to: Vec<String>,
        /// Also to recipients who have got it before
        #[arg(long)]
        again: bool,
        /// Learn that they are ham
        #[arg(long)]
        learn: bool,
    },
    /// Remove messages for good
    Delete {
        #[command(flatten)]
        choice: Choice,
        /// Learn that they are spam
        #[arg(long)]
        learn: bool,
    },
    /// Send messages to an analyst, attached to a letter
    Forward {
        #[command(flatten)]
        choice: Choice,
        /// To whom; without it to quarantine.forward.to
        #[arg(long, value_name = "ADDRESS")]
        to: Option<String>,
        /// What the letter says first
        #[arg(long, value_name = "TEXT", default_value = "")]
        note: String,
    },
    /// Print the link with which a recipient releases a message, as digests have it
    Link {
        /// Id of the message
        id: String,
        /// The recipient's address
        address: String,
    },
    /// Tell recipients now what is held for them
    Digest {
        /// Only say who would be told, and of how many messages
        #[arg(long)]
        dry_run: bool,
        /// Print the letter that this recipient would get, without its links, and send nothing
        #[arg(long, value_name = "ADDRESS", conflicts_with = "dry_run")]
        preview: Option<String>,
    },
    /// Remove messages that are past the bounds of age, bytes and number
    Expire {
        /// Believe the clock although it jumped since the last time
        #[arg(long)]
        trust_clock: bool,
    },
}

/// Which messages, by what they are.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct Search {
    /// By the time when they were received.
    #[command(flatten)]
    span: Span,
    /// Part of the sender's address
    #[arg(long, value_name = "TEXT")]
    from: Option<String>,
    /// Part of a recipient's address
    #[arg(long, value_name = "TEXT")]
    recipient: Option<String>,
    /// Domain of the sender or a recipient, domains below it included
    #[arg(long, value_name = "DOMAIN")]
    domain: Option<String>,
    /// Words or parts of words that stand in the subject
    #[arg(long, value_name = "WORDS")]
    subject: Option<String>,
    /// Address or network of the client
    #[arg(long, value_parser = network, value_name = "ADDRESS")]
    client: Option<IpNet>,
    /// Id of a rule that hit
    #[arg(long, value_name = "RULE")]
    rule: Option<String>,
    /// Part of what decided: score, `hit clamav`, `failure`, a rule
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// What was decided
    #[arg(long, value_parser = one_of(&Action::ALL, Action::name))]
    verdict: Option<Action>,
    /// Name of a policy that had a say
    #[arg(long, value_name = "POLICY")]
    policy: Option<String>,
    /// What has become of it
    #[arg(long, value_parser = one_of(&State::ALL, State::name))]
    state: Option<State>,
    /// At least so large: 100KiB
    #[arg(long, value_parser = size, value_name = "SIZE")]
    larger: Option<u64>,
    /// At most so large
    #[arg(long, value_parser = size, value_name = "SIZE")]
    smaller: Option<u64>,
}

/// Which messages: by id, or all that match.
#[derive(Clone, Debug, Args)]
pub(super) struct Choice {
    /// Ids of messages
    #[arg(required_unless_present = "matching", conflicts_with = "matching")]
    pub(super) ids: Vec<String>,
    /// All messages that match the options below, at least one of which must be given
    #[arg(long)]
    pub(super) matching: bool,
    #[command(flatten)]
    pub(super) search: Search,
    /// With --matching: do nothing when more messages match
    #[arg(long, default_value_t = 1_000, value_name = "NUMBER")]
    pub(super) at_most: u32,
    /// Only say which messages would be taken
    #[arg(long)]
    pub(super) dry_run: bool,
}

impl Search {
    pub(super) fn filter(&self) -> Filter {
        Filter {
            since: self.span.since,
            until: self.span.until,
            sender: self.from.clone(),
            recipient: self.recipient.clone(),
            domain: self.domain.clone(),
            subject: self.subject.clone(),
            client: self.client,
            rule: self.rule.clone(),
            reason: self.reason.clone(),
            verdict: self.verdict,
            policy: self.policy.clone(),
            state: self.state,
            larger: self.larger,
            smaller: self.smaller,
            limit: None,
            offset: 0,
        }
    }
}

/// An address, or a network with its length.
fn network(text: &str) -> Result<IpNet, String> {
    let alone = text.parse::<std::net::IpAddr>().map(IpNet::from);
    let network = alone.or_else(|_| text.parse::<IpNet>());
    network.map_err(|_| "write an address or a network, such as 192.0.2.0/24".to_owned())
}

fn size(text: &str) -> Result<u64, String> {
    let size = text.parse::<ByteSize>();
    size.map(|size| size.0).map_err(|()| {
        "write a number of bytes, or one with KiB, MiB or GiB, such as 100KiB".to_owned()
    })
}
