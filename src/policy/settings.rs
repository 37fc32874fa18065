//! From `policies:` as written to policies that can be asked, or every problem with its place.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_saphyr::Spanned;

use super::actions::Actions;
use super::address_list::Shelf;
use super::language::Language;
use super::options::{Conflict, PolicyOptions};
use super::outbound::Outbound;
use super::policies::{DEFAULT, OUTBOUND, Policies, Policy};
use super::scope::{Scope, Taken};
use super::senders::{self, Senders};
use crate::config::{File, FilterName, Findings, Problems, Source};
use crate::filter::auth;
use crate::filter::rules::LISTS;
use crate::mail::Direction;
use crate::verdict::Thresholds;

/// Most policies.
const POLICIES: usize = 1000;
/// Longest name, bytes.
const NAME_BYTES: usize = 64;

impl Policies {
    /// Checks what the file says of policies, and reads the lists that it names, relative to `base`. `thresholds` are
    /// those of the file; `chain` are its filters.
    ///
    /// # Errors
    /// Everything that is wrong with them and with the entries of the lists.
    pub fn build(
        file: &File,
        source: &Source,
        base: &Path,
        thresholds: &Thresholds,
        chain: &[FilterName],
    ) -> Result<Policies, Problems> {
        let mut findings = Findings::new(source);
        let mut shelf = Shelf::new(base);
        let outbound = Outbound::check(&file.outbound, &mut findings);
        let everywhere = Senders::check(&file.allow, &file.deny, source, &mut shelf, &mut findings);
        if let Some(written) = &file.conflict_fallback
            && file.conflict != Conflict::Split
        {
            findings.wrong(written, "this is for `conflict: split` only");
        }
        let no_proof = !chain.contains(&FilterName::Auth);
        if everywhere.needs_proof() && no_proof {
            let unproven = file.allow.iter().filter(|a| !a.value.unproven);
            unprovable(unproven, "the chain has no filter `auth`", &mut findings);
        }
        let mut policies: Vec<Policy> = Vec::new();
        for (number, options) in file.policies.iter().enumerate() {
            if number == POLICIES {
                findings.wrong(&options.name, format!("more than {POLICIES} policies"));
                break;
            }
            name(&options.name, &policies, &mut findings);
            let scope = Scope::check(&options.scope, source, &mut shelf, &mut findings);
            login(options, &scope, &file.outbound, &mut findings);
            let inherited = match scope.direction {
                Direction::Inbound => Vec::new(),
                Direction::Outbound => file.outbound.skip.clone(),
            };
            let skip = match &options.skip {
                Some(written) => written.iter().map(|f| f.value).collect(),
                None => inherited,
            };
            let senders = Senders::check(
                &options.allow,
                &options.deny,
                source,
                &mut shelf,
                &mut findings,
            );
            if senders.needs_proof() && (no_proof || skip.contains(&FilterName::Auth)) {
                let unproven = options.allow.iter().filter(|a| !a.value.unproven);
                let why = match no_proof {
                    true => "the chain has no filter `auth`",
                    false => "this policy skips the filter `auth`",
                };
                unprovable(unproven, why, &mut findings);
            }
            let language = options.language.as_ref();
            policies.push(Policy {
                name: options.name.value.as_str().into(),
                scope,
                thresholds: self::thresholds(options, thresholds, &mut findings),
                skip: skip.iter().map(|f| f.name()).collect(),
                senders,
                language: language.map(|l| Language::check(l, &mut findings)),
                actions: Actions::check(&options.actions, &mut findings),
            });
        }
        unreachable(&file.policies, &policies, &mut findings);
        if shelf.files() > LISTS {
            let number = shelf.files();
            findings.extend([crate::config::Problem::without_place(format!(
                "{number} list files of policies, more than {LISTS}"
            ))]);
        }
        let skip = file.outbound.skip.iter().map(|f| f.name()).collect();
        let fallbacks = [
            Policy::fallback(DEFAULT, Direction::Inbound, *thresholds, Vec::new()),
            Policy::fallback(OUTBOUND, Direction::Outbound, *thresholds, skip),
        ];
        findings.finish(Policies::new(
            policies.into_iter().map(Arc::new).collect(),
            fallbacks,
            outbound,
            everywhere,
            file.conflict,
            file.conflict_fallback
                .as_ref()
                .map(|f| f.value)
                .unwrap_or_default(),
            shelf.version(),
        ))
    }

    /// The list files that a configuration names, relative to `base`.
    pub fn files(file: &File, base: &Path) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = senders::files(&file.allow, &file.deny, base).collect();
        for policy in &file.policies {
            files.extend(senders::files(&policy.allow, &policy.deny, base));
            files.extend(policy.scope.lists.iter().map(|path| base.join(&path.value)));
        }
        files.sort();
        files.dedup();
        files
    }
}

fn name(name: &Spanned<String>, before: &[Policy], findings: &mut Findings<'_>) {
    let text = name.value.as_str();
    let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
    if text.is_empty() || text.len() > NAME_BYTES || !text.bytes().all(good) {
        findings.wrong_with_help(
            name,
            format!("`{text}` cannot be the name of a policy"),
            format!("a name is a-z, 0-9, _ and -, at most {NAME_BYTES} characters"),
        );
    } else if text == DEFAULT || text == OUTBOUND {
        findings.wrong_with_help(
            name,
            format!("`{text}` is what mail falls back to that no policy takes"),
            "choose another name",
        );
    } else if before.iter().any(|p| *p.name == *text) {
        findings.wrong(name, format!("there is a policy `{text}` above"));
    }
}

/// Allow entries of which none can ever count.
fn unprovable<'a, T: 'a>(
    items: impl Iterator<Item = &'a Spanned<T>>,
    why: &str,
    findings: &mut Findings<'_>,
) {
    for item in items {
        findings.wrong_with_help(
            item,
            format!("an allow entry counts for a proven sender, and {why}"),
            "add it, or mark the entries `unsafe: true`",
        );
    }
}

/// A login makes mail outbound, unless that is switched off.
fn login(
    options: &PolicyOptions,
    scope: &Scope,
    outbound: &super::OutboundOptions,
    findings: &mut Findings<'_>,
) {
    let never =
        scope.asks_for_login() && scope.direction == Direction::Inbound && outbound.authenticated;
    if let Some(user) = options.scope.users.first().filter(|_| never) {
        findings.wrong_with_help(
            user,
            "mail of clients that have logged in is outbound, and this policy is for inbound mail",
            "add `direction: outbound`, or set `outbound.authenticated: false`",
        );
    }
}

fn thresholds(
    options: &PolicyOptions,
    inherited: &Thresholds,
    findings: &mut Findings<'_>,
) -> Thresholds {
    let Some(written) = &options.thresholds else {
        return *inherited;
    };
    let thresholds = Thresholds {
        tag: written.value.tag.unwrap_or(inherited.tag),
        quarantine: written.value.quarantine.unwrap_or(inherited.quarantine),
        reject: written.value.reject.unwrap_or(inherited.reject),
    };
    findings.thresholds(written, &thresholds);
    thresholds
}

/// A policy that no mail comes to, or an entry of one, is a mistake in the order.
fn unreachable(written: &[PolicyOptions], policies: &[Policy], findings: &mut Findings<'_>) {
    for (number, (options, policy)) in written.iter().zip(policies).enumerate() {
        for above in policies.iter().take(number) {
            let help = "the first policy that fits holds: put the narrower one above";
            match above.scope.takes_from(&policy.scope, &options.scope) {
                Taken::Nothing => {}
                Taken::All => {
                    findings.wrong_with_help(
                        &options.name,
                        format!(
                            "no mail comes to this policy: `{}` above takes all of it",
                            above.name
                        ),
                        help,
                    );
                    break;
                }
                Taken::Entries(entries) => {
                    for entry in entries {
                        if let Some(entry) = options.scope.recipients.get(entry) {
                            findings.wrong_with_help(
                                entry,
                                format!("`{}` above takes this recipient before", above.name),
                                help,
                            );
                        }
                    }
                }
            }
        }
    }
}

/// The name of the filter whose results prove a sender.
pub(super) const PROVES: &str = auth::NAME;
