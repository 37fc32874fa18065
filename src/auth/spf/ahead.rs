//! Questions asked before their turn. The terms of a record are evaluated in order (RFC 7208, section 4.6.2), and
//! each needs its answer only when the one before it has not matched; but what they ask is known at once. The answers
//! are thrown away here and found again in the cache of the resolver. As many terms as an evaluation may have, at most.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};

use super::evaluation::TERMS;
use super::macros::MacroString;
use super::record::{Mechanism, Record};
use crate::auth::names::{Failure, Names, RecordType, addresses_like, exchangers, texts};
use crate::dns::domain;

/// The addresses of several names, all asked for at once; those of names that cannot be are left out.
pub(super) async fn addresses_of_all(
    names: &dyn Names,
    of: &[String],
    like: IpAddr,
) -> Vec<Result<Vec<IpAddr>, Failure>> {
    let askable: Vec<String> = of.iter().filter_map(|name| domain::labels(name)).collect();
    let each = askable.iter().map(|name| addresses_like(names, name, like));
    join_all(each).await
}

/// Asks for what the terms of a record, and of those that it includes, will ask for, where no macro stands in the way.
pub(super) fn ask_ahead<'a>(
    names: &'a dyn Names,
    record: &Record,
    at: &str,
    client: IpAddr,
) -> BoxFuture<'a, ()> {
    ahead(names, record, at, client, Arc::new(AtomicU32::new(TERMS)))
}

fn ahead<'a>(
    names: &'a dyn Names,
    record: &Record,
    at: &str,
    client: IpAddr,
    left: Arc<AtomicU32>,
) -> BoxFuture<'a, ()> {
    let named = |name: Option<&MacroString>| match name {
        None => Some(at.to_owned()),
        Some(name) => domain::labels(name.constant()?),
    };
    let mut questions: Vec<BoxFuture<'a, ()>> = Vec::new();
    let mut ask = |question: BoxFuture<'a, ()>| {
        let one_less = |left: u32| left.checked_sub(1);
        let counted = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less);
        if counted.is_ok() {
            questions.push(question);
        }
    };
    let included = |name: String| {
        let left = Arc::clone(&left);
        async move {
            let found = texts(names, &name).await.unwrap_or_default();
            let text = found.iter().find(|text| Record::is_one(text));
            if let Some(Ok(record)) = text.map(|text| Record::read(text)) {
                ahead(names, &record, &name, client, left).await;
            }
        }
        .boxed()
    };
    for directive in &record.directives {
        match &directive.mechanism {
            // Nothing behind it is ever evaluated.
            Mechanism::All => return all(questions),
            Mechanism::Network(..) | Mechanism::Ptr(_) => {}
            Mechanism::Include(name) => {
                if let Some(name) = named(Some(name)) {
                    ask(included(name));
                }
            }
            Mechanism::A(target) => {
                if let Some(name) = named(target.name.as_ref()) {
                    ask(async move {
                        let _ = addresses_like(names, &name, client).await;
                    }
                    .boxed());
                }
            }
            Mechanism::Mx(target) => {
                if let Some(name) = named(target.name.as_ref()) {
                    ask(async move {
                        let found = exchangers(names, &name).await.unwrap_or_default();
                        if found.len() <= 10 {
                            addresses_of_all(names, &found, client).await;
                        }
                    }
                    .boxed());
                }
            }
            Mechanism::Exists(name) => {
                if let Some(name) = named(Some(name)) {
                    ask(async move {
                        let _ = names.ask(&name, RecordType::A).await;
                    }
                    .boxed());
                }
            }
        }
    }
    if let Some(name) = named(record.redirect.as_ref()).filter(|_| record.redirect.is_some()) {
        ask(included(name));
    }
    all(questions)
}

fn all(questions: Vec<BoxFuture<'_, ()>>) -> BoxFuture<'_, ()> {
    async {
        join_all(questions).await;
    }
    .boxed()
}
