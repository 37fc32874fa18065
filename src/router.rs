//! From a verdict to what the MTA is told and what is done beside: a pure function.
//!
//! In: verdict, policy, the header names of the message. Out: a [`Plan`]: modifications, the final reply,
//! and whether a copy must be durable before that reply may be sent. Texts say what happened and which
//! id to ask for, never details: those are in the log and in the quarantine.

mod headers;

use serde::Deserialize;

pub use headers::{OWN_HEADERS, RELEASE_HEADER};

use crate::filter::Action;
use crate::mail::Address;
use crate::milter::{Modification, Reply, ReplyText};
use crate::verdict::{DecidedBy, Verdict};
use headers::headers;

/// Where quarantined messages are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hold {
    /// In mailweir's own store.
    #[default]
    Store,
    /// In the hold queue of the MTA; in our own store where the MTA did not offer it.
    Mta,
}

/// What the router needs to know beside the verdict.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Id of the transaction.
    pub id: &'a str,
    /// The name of the scanner in the chain, `None` when the chain has no virus scanner.
    pub scanner: Option<&'a str>,
    /// The threshold shown as `required`.
    pub required: Option<f64>,
    /// Which configuration, rules and model decided; empty where nobody knows.
    pub version: &'a str,
    /// Where quarantined messages go.
    pub hold: Hold,
    /// Whether the MTA takes the hold modification.
    pub can_hold: bool,
    /// Recipients who do not get the message although others do.
    pub dropped: &'a [Address],
    /// Names of the header fields of the message, in order, as received.
    pub field_names: &'a [Vec<u8>],
    /// Fields `Authentication-Results` of the message that are forged, by their number among those of the name,
    /// from 1, rising.
    pub forged_results: &'a [u32],
    /// The value of our own, if there is one.
    pub results: Option<&'a str>,
}

/// What is to be done, in this order: store, modify, reply.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// A copy, for the recipients who are dropped or else for all, must be durable in the quarantine before anything
    /// else is sent. If that fails, the answer is [`store_failed`] instead.
    pub store: bool,
    /// Changes to the message.
    pub modifications: Vec<Modification>,
    /// The final reply.
    pub reply: Reply,
}

/// The answer when the copy could not be made durable.
pub fn store_failed(id: &str) -> Reply {
    Reply::Text(ReplyText::tempfailed(&format!(
        "Message cannot be processed now, please try again later (id {id})"
    )))
}

/// The answer when the verdict is tempfail, also when something broke before there was a verdict.
pub fn tempfail(id: &str) -> Reply {
    Reply::Text(ReplyText::tempfailed(&format!(
        "Message cannot be checked now, please try again later (id {id})"
    )))
}

fn reject(verdict: &Verdict, id: &str) -> Reply {
    let what = match &verdict.decided_by {
        DecidedBy::Hit { filter, .. } if *filter == "clamav" => {
            "Message refused: a virus was found"
        }
        DecidedBy::Hit { filter, .. } if *filter == "dnsbl" => {
            "Message refused: the client is on a block list"
        }
        DecidedBy::Hit { filter, .. } if *filter == crate::policy::NAME => {
            "Message refused: the recipient does not take mail of this sender"
        }
        DecidedBy::Hit { filter, .. } if *filter == "auth" => {
            "Message refused: the policy of the sender's domain asks for it (DMARC)"
        }
        _ => "Message refused as spam",
    };
    Reply::Text(ReplyText::rejected(&format!("{what} (id {id})")))
}

/// The answer of a verdict that is tempfail: a filter that defers on purpose says so, and how long it takes.
fn defer(verdict: &Verdict, id: &str) -> Reply {
    let DecidedBy::Hit { filter, rule } = &verdict.decided_by else {
        return tempfail(id);
    };
    let what = match *filter {
        "greylist" => "Greylisted",
        "rates" => "Too much mail at a time",
        _ => return tempfail(id),
    };
    let mut decisive = verdict
        .hits()
        .filter(|(f, hit)| f == filter && hit.rule == *rule);
    let wait = decisive.find_map(|(_, hit)| hit.retry_after);
    let when = wait.map_or_else(
        || "later".to_owned(),
        |wait| format!("in {} seconds", wait.as_secs_f64().ceil()),
    );
    Reply::Text(ReplyText::tempfailed(&format!(
        "{what}: please try again {when} (id {id})"
    )))
}

/// The reply to RCPT or BODY for a verdict that was reached before end of message.
pub fn early_reply(verdict: &Verdict, id: &str) -> Option<Reply> {
    match verdict.action {
        Action::Reject => Some(reject(verdict, id)),
        Action::Tempfail => Some(defer(verdict, id)),
        _ => None,
    }
}

/// Makes the plan.
pub fn route(verdict: &Verdict, context: &Context<'_>) -> Plan {
    let plain = |reply| Plan {
        store: false,
        modifications: Vec::new(),
        reply,
    };
    match verdict.action {
        Action::Reject => plain(reject(verdict, context.id)),
        Action::Tempfail => plain(defer(verdict, context.id)),
        Action::Discard => Plan {
            // A released message is in the quarantine already, and another copy of it is on its way.
            store: verdict.decided_by != DecidedBy::Release,
            ..plain(Reply::Discard)
        },
        Action::Quarantine if context.hold == Hold::Mta && context.can_hold => {
            let mut modifications = headers(verdict, context);
            modifications.push(Modification::Hold {
                reason: format!("mailweir score {:.2} id {}", verdict.score, context.id),
            });
            Plan {
                store: false,
                modifications,
                reply: Reply::Continue,
            }
        }
        // The MTA forgets the message; ours is the only copy from here on.
        Action::Quarantine => Plan {
            store: true,
            ..plain(Reply::Discard)
        },
        Action::Deliver | Action::Tag => {
            let mut modifications = headers(verdict, context);
            let mut paths: Vec<&[u8]> = context.dropped.iter().map(Address::raw).collect();
            paths.sort_unstable();
            paths.dedup();
            modifications.extend(paths.iter().map(|path| Modification::DeleteRecipient {
                path: path.to_vec(),
            }));
            Plan {
                store: !paths.is_empty(),
                modifications,
                reply: Reply::Continue,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::{Hit, Outcome, Report};
    use std::time::Duration;

    pub(super) fn verdict(action: Action, outcomes: Vec<(&'static str, Outcome)>) -> Verdict {
        Verdict {
            action,
            score: 6.5,
            decided_by: DecidedBy::Nothing,
            policy: None,
            reports: outcomes
                .into_iter()
                .map(|(filter, outcome)| Report {
                    filter,
                    outcome,
                    elapsed: Duration::ZERO,
                })
                .collect(),
        }
    }

    pub(super) fn context(field_names: &[Vec<u8>]) -> Context<'_> {
        Context {
            id: "01TEST",
            scanner: Some("clamav"),
            required: Some(5.0),
            version: "",
            hold: Hold::Store,
            can_hold: true,
            dropped: &[],
            field_names,
            forged_results: &[],
            results: None,
        }
    }

    #[test]
    fn dropped_recipients_are_stored_for_and_leave_the_envelope_once_each() {
        let dropped = [b"<b@x>", b"<A@x>", b"<b@x>"].map(|path| Address::new(path));
        let split = Context {
            dropped: &dropped,
            hold: Hold::Mta,
            ..context(&[])
        };
        for action in [Action::Deliver, Action::Tag] {
            let plan = route(&verdict(action, vec![]), &split);
            assert!(plan.store);
            assert_eq!(plan.reply, Reply::Continue);
            let paths: Vec<_> = plan
                .modifications
                .iter()
                .filter_map(|m| match m {
                    Modification::DeleteRecipient { path } => Some(path.as_slice()),
                    _ => None,
                })
                .collect();
            assert_eq!(paths, [b"<A@x>", b"<b@x>"]);
        }
        assert!(!route(&verdict(Action::Deliver, vec![]), &context(&[])).store);
    }

    #[test]
    fn quarantine_and_discard_are_stored_before_the_reply() {
        for action in [Action::Quarantine, Action::Discard] {
            let plan = route(&verdict(action, vec![]), &context(&[]));
            assert!(plan.store);
            assert_eq!(plan.reply, Reply::Discard);
        }
        let mut mta = context(&[]);
        mta.hold = Hold::Mta;
        let plan = route(&verdict(Action::Quarantine, vec![]), &mta);
        assert!(!plan.store);
        assert_eq!(plan.reply, Reply::Continue);
        assert!(matches!(
            plan.modifications.last(),
            Some(Modification::Hold { .. })
        ));
        mta.can_hold = false;
        assert!(route(&verdict(Action::Quarantine, vec![]), &mta).store);
    }

    #[test]
    fn refusals_name_the_id_and_nothing_from_the_message() {
        let plan = route(&verdict(Action::Reject, vec![]), &context(&[]));
        let Reply::Text(text) = plan.reply else {
            panic!()
        };
        assert_eq!(
            text.as_str(),
            "550 5.7.1 Message refused as spam (id 01TEST)"
        );
        let Reply::Text(text) = tempfail("01TEST") else {
            panic!()
        };
        assert!(text.as_str().starts_with("451 4.7.1 "));
    }

    #[test]
    fn who_is_deferred_on_purpose_is_told_for_how_long() {
        for (filter, wait, words) in [
            (
                "greylist",
                Some(Duration::from_millis(299_001)),
                "451 4.7.1 Greylisted: please try again in 300 seconds (id 01TEST)",
            ),
            (
                "rates",
                None,
                "451 4.7.1 Too much mail at a time: please try again later (id 01TEST)",
            ),
            (
                "rules",
                None,
                "451 4.7.1 Message cannot be checked now, please try again later (id 01TEST)",
            ),
        ] {
            let mut hit = Hit::new("R", 0.0, "").decisive(Action::Tempfail);
            hit.retry_after = wait;
            let verdict = Verdict::early(filter, hit);
            let at_end = route(&verdict, &context(&[])).reply;
            for reply in [early_reply(&verdict, "01TEST"), Some(at_end)] {
                let Some(Reply::Text(text)) = reply else {
                    panic!("{reply:?}")
                };
                assert_eq!(text.as_str(), words);
            }
        }
    }
}
