//! check_host() of RFC 7208, section 4, with its bounds on questions.

use std::net::IpAddr;
use std::pin::pin;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Either, select};

use super::SpfResult;
use super::ahead::{addresses_of_all, ask_ahead};
use super::macros::{MacroString, Values};
use super::record::{Directive, Mechanism, Record, Target};
use crate::auth::names::{
    Failure, Names, RecordType, addresses_like, exchangers, pointers, same_network, texts,
};
use crate::dns::domain;

/// Terms that ask DNS (section 4.6.4).
pub(super) const TERMS: u32 = 10;
/// Of these, how many may find nothing.
const VOIDS: u32 = 2;
/// Exchangers of a name, and names of an address.
const NAMES: usize = 10;

/// Why a check ends without an answer of the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// `permerror`: what is wrong.
    Permanent(String),
    /// `temperror`: what DNS said.
    Temporary(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Stop {
        Stop::Temporary(failure)
    }
}

/// The result and the term that decided.
type Decided = (SpfResult, String);

/// One check with all its includes.
pub(super) struct Evaluation<'a> {
    names: &'a dyn Names,
    client: IpAddr,
    local: &'a str,
    sender: &'a str,
    helo: &'a str,
    terms: u32,
    voids: u32,
    /// Names of the client that lead back to it, once they have been asked for.
    validated: Option<Vec<String>>,
    /// Whether questions have been asked ahead.
    ahead: bool,
}

impl<'a> Evaluation<'a> {
    pub(super) fn new(
        names: &'a dyn Names,
        client: IpAddr,
        local: &'a str,
        sender: &'a str,
        helo: &'a str,
    ) -> Evaluation<'a> {
        Evaluation {
            names,
            client: client.to_canonical(),
            local,
            sender,
            helo,
            terms: 0,
            voids: 0,
            validated: None,
            ahead: false,
        }
    }

    /// What the record of `domain` says. Recursion is bounded by the bound on terms.
    pub(super) fn check<'s>(&'s mut self, domain: String) -> BoxFuture<'s, Result<Decided, Stop>>
    where
        'a: 's,
    {
        async move {
            let Some(domain) = domain::name(&domain) else {
                return Ok((SpfResult::None, "no domain to check".to_owned()));
            };
            let found = texts(self.names, &domain).await?;
            let mut records = found.iter().filter(|text| Record::is_one(text));
            let Some(record) = records.next() else {
                return Ok((SpfResult::None, format!("no record at {domain}")));
            };
            if records.next().is_some() {
                let several = format!("several records at {domain}");
                return Err(Stop::Permanent(several));
            }
            let record = Record::read(record)
                .map_err(|wrong| Stop::Permanent(format!("the record of {domain} {wrong}")))?;
            let decided = self.first_match(&record, &domain).await?;
            if let Some(directive) = decided {
                return Ok((directive.result, directive.text.clone()));
            }
            let Some(redirect) = &record.redirect else {
                return Ok((SpfResult::Neutral, "no term matches".to_owned()));
            };
            self.count_term()?;
            let target = self.target(Some(redirect), &domain).await?;
            match self.check(target.clone()).await? {
                (SpfResult::None, _) => Err(Stop::Permanent(format!(
                    "the record of {domain} redirects to {target}, which has none"
                ))),
                decided => Ok(decided),
            }
        }
        .boxed()
    }

    /// The directive that decides. At the first record, what the others will ask for is asked ahead.
    async fn first_match<'r>(
        &mut self,
        record: &'r Record,
        domain: &str,
    ) -> Result<Option<&'r Directive>, Stop> {
        let ahead = match std::mem::replace(&mut self.ahead, true) {
            true => futures_util::future::ready(()).boxed(),
            false => ask_ahead(self.names, record, domain, self.client),
        };
        let evaluation = async {
            for directive in &record.directives {
                if self.matches(directive, domain).await? {
                    return Ok(Some(directive));
                }
            }
            Ok(None)
        };
        // The evaluation comes first: what decides without a question costs none.
        match select(pin!(evaluation), ahead).await {
            Either::Left((decided, _)) => decided,
            Either::Right(((), evaluation)) => evaluation.await,
        }
    }

    async fn matches(&mut self, directive: &Directive, domain: &str) -> Result<bool, Stop> {
        match &directive.mechanism {
            Mechanism::All => Ok(true),
            Mechanism::Network(network, bits) => {
                Ok(same_network(*network, self.client, *bits, *bits))
            }
            Mechanism::Include(name) => {
                self.count_term()?;
                let target = self.target(Some(name), domain).await?;
                match self.check(target.clone()).await? {
                    (SpfResult::Pass, _) => Ok(true),
                    (SpfResult::None, _) => Err(Stop::Permanent(format!(
                        "{domain} includes {target}, which has no record"
                    ))),
                    _ => Ok(false),
                }
            }
            Mechanism::A(target) => {
                self.count_term()?;
                let name = self.target(target.name.as_ref(), domain).await?;
                let Some(name) = domain::labels(&name) else {
                    return Ok(false);
                };
                let addresses = addresses_like(self.names, &name, self.client).await?;
                self.count_void(addresses.is_empty())?;
                Ok(self.in_networks(&addresses, target))
            }
            Mechanism::Mx(target) => self.matches_mx(target, domain).await,
            Mechanism::Ptr(name) => {
                self.count_term()?;
                let target = self.target(name.as_ref(), domain).await?;
                let target = target.to_ascii_lowercase();
                let validated = self.validated().await?;
                Ok(validated.iter().any(|n| domain::is_within(n, &target)))
            }
            Mechanism::Exists(name) => {
                self.count_term()?;
                let name = self.target(Some(name), domain).await?;
                let Some(name) = domain::labels(&name) else {
                    return Ok(false);
                };
                // Always A, also for IPv6 clients (section 5.7).
                let answer = self.names.ask(&name, RecordType::A).await?;
                self.count_void(answer.records.is_empty())?;
                Ok(!answer.records.is_empty())
            }
        }
    }

    async fn matches_mx(&mut self, target: &Target, domain: &str) -> Result<bool, Stop> {
        self.count_term()?;
        let name = self.target(target.name.as_ref(), domain).await?;
        let Some(name) = domain::labels(&name) else {
            return Ok(false);
        };
        let found = exchangers(self.names, &name).await?;
        self.count_void(found.is_empty())?;
        if found.len() > NAMES {
            let many = format!("{name} has more than {NAMES} exchangers");
            return Err(Stop::Permanent(many));
        }
        // All at once, and read in their order: what is first decides, be it a match or a failure.
        for addresses in addresses_of_all(self.names, &found, self.client).await {
            if self.in_networks(&addresses?, target) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn in_networks(&self, addresses: &[IpAddr], target: &Target) -> bool {
        let near = |a: &IpAddr| same_network(*a, self.client, target.v4_bits, target.v6_bits);
        addresses.iter().any(near)
    }

    /// The name that a term is about.
    async fn target(&mut self, name: Option<&MacroString>, domain: &str) -> Result<String, Stop> {
        let Some(name) = name else {
            return Ok(domain.to_owned());
        };
        let validated = match name.needs_validated() {
            true => self.validated_name(domain).await?,
            false => String::new(),
        };
        Ok(name.expand(&Values {
            client: self.client,
            local: self.local,
            sender: self.sender,
            domain,
            helo: self.helo,
            validated: &validated,
        }))
    }

    /// What `%{p}` stands for (section 7.3): the domain itself, a name under it, any name, or `unknown`.
    async fn validated_name(&mut self, domain: &str) -> Result<String, Stop> {
        if self.validated.is_none() {
            self.count_term()?;
        }
        let validated = self.validated().await?;
        let best = validated
            .iter()
            .find(|name| *name == domain)
            .or_else(|| {
                validated
                    .iter()
                    .find(|name| domain::is_within(name, domain))
            })
            .or_else(|| validated.first());
        Ok(best.cloned().unwrap_or_else(|| "unknown".to_owned()))
    }

    /// The names of the client that lead back to it. DNS errors mean that there are none (section 5.5).
    async fn validated(&mut self) -> Result<Vec<String>, Stop> {
        if let Some(known) = &self.validated {
            return Ok(known.clone());
        }
        let mut validated = Vec::new();
        if let Ok(mut found) = pointers(self.names, self.client).await {
            self.count_void(found.is_empty())?;
            found.truncate(NAMES);
            let all = addresses_of_all(self.names, &found, self.client).await;
            for (name, addresses) in found.into_iter().zip(all) {
                if addresses.is_ok_and(|all| all.contains(&self.client)) {
                    validated.push(name);
                }
            }
        }
        self.validated = Some(validated.clone());
        Ok(validated)
    }

    fn count_term(&mut self) -> Result<(), Stop> {
        self.terms += 1;
        match self.terms > TERMS {
            true => Err(Stop::Permanent(format!("more than {TERMS} terms ask DNS"))),
            false => Ok(()),
        }
    }

    fn count_void(&mut self, void: bool) -> Result<(), Stop> {
        self.voids += u32::from(void);
        match self.voids > VOIDS {
            true => Err(Stop::Permanent(format!(
                "more than {VOIDS} terms ask for what does not exist"
            ))),
            false => Ok(()),
        }
    }
}
