//! Whether a message that fails DMARC is excused, and what is left of the policy if not.

use super::settings::Settings;
use super::summary::{Authenticated, Disposition};
use crate::auth::arc::{Arc, ArcResult};
use crate::auth::dmarc::{Dmarc, DmarcResult, Policy, spared};
use crate::auth::results::{self, MethodResult};
use crate::dns::domain::{is_within, name};

/// What becomes of a message; `None` where DMARC did not fail. `lot` draws from 0 to 99, for `pct`; the same for the
/// same message.
pub(super) fn disposition(
    settings: &Settings,
    summary: &Authenticated,
    lot: impl FnOnce() -> u8,
) -> Option<Disposition> {
    let dmarc = summary.dmarc.as_ref()?;
    if dmarc.result != DmarcResult::Fail {
        return None;
    }
    if let Some(arc) = &summary.arc
        && let Some(sealer) = sealer(arc, dmarc, &settings.sealers)
    {
        return Some(Disposition::Sealed(sealer.to_owned()));
    }
    let proven = summary.domains();
    let of_list = |domain: &&&str| settings.mailing_lists.iter().any(|l| is_within(domain, l));
    if let Some(list) = proven.iter().find(of_list) {
        return Some(Disposition::MailingList((*list).to_owned()));
    }
    let all = dmarc.percent >= 100 || dmarc.policy == Policy::None;
    Some(match all || lot() < dmarc.percent {
        true => Disposition::Applied(dmarc.policy),
        false => Disposition::Spared(spared(dmarc.policy)),
    })
}

/// The trusted sealer that saw the message pass. Only the newest signature of a chain holds the message as it is
/// now, so every sealer from the newest down to that one must be trusted.
fn sealer<'a>(arc: &'a Arc, dmarc: &Dmarc, trusted: &[String]) -> Option<&'a str> {
    if arc.result != ArcResult::Pass {
        return None;
    }
    let newest_first = arc.sealers.iter().zip(&arc.seen).rev();
    newest_first
        .take_while(|(sealer, _)| trusted.iter().any(|t| is_within(sealer, t)))
        .find(|(_, seen)| results::results(seen).iter().any(|r| passes(r, dmarc)))
        .map(|(sealer, _)| sealer.as_str())
}

/// Whether what a sealer saw is that DMARC passes for the same domain of From, or what makes it pass.
fn passes(seen: &MethodResult, dmarc: &Dmarc) -> bool {
    if seen.result != "pass" {
        return false;
    }
    let domain = |property: &str| {
        let value = seen.property(property)?;
        name(value.rsplit_once('@').map_or(value, |(_, domain)| domain))
    };
    match seen.method.as_str() {
        "dmarc" => domain("header.from").is_none_or(|from| from == dmarc.domain),
        "dkim" => domain("header.d")
            .or_else(|| domain("header.i"))
            .is_some_and(|signer| dmarc.would_align(&signer, true)),
        "spf" => domain("smtp.mailfrom")
            .or_else(|| domain("smtp.mfrom"))
            .is_some_and(|sender| dmarc.would_align(&sender, false)),
        _ => false,
    }
}

/// Of several domains of From the one that counts: a failure with the strictest policy, then one that DNS could not tell,
/// then one that passes.
pub(super) fn strictest(all: Vec<Dmarc>) -> Option<Dmarc> {
    all.into_iter().min_by_key(|dmarc| match dmarc.result {
        DmarcResult::Fail => (0, std::cmp::Reverse(dmarc.policy)),
        DmarcResult::TempError => (1, std::cmp::Reverse(Policy::None)),
        DmarcResult::Pass => (2, std::cmp::Reverse(Policy::None)),
        DmarcResult::None => (3, std::cmp::Reverse(Policy::None)),
    })
}
