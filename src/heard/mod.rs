//! What filters hear from outside about one message: answers of DNS, replies of clamd, what is remembered of senders, and
//! the time.
//!
//! A [`Heard`] is handed to the checks of a message. One that is keeping writes down whatever they are told; from what it
//! has kept ([`Record`]) another can be made that tells it again, so that the same checks come to the same outcomes
//! without asking anybody: an evaluation that is replayed. By default it does neither, and costs nothing.
//!
//! Names of questions are those that may be shown: whoever asks with a key leaves it out.

mod answer;
mod record;
mod written;

use std::collections::{BTreeSet, HashMap};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};

pub use record::Record;

use answer::{Said, asker};

use crate::clock;
use crate::dns::{Failure, Found, RecordType};

/// Questions of one message that are kept; past them it cannot be replayed in full.
const QUESTIONS: usize = 1_000;

/// Keeps, or tells again, what checks hear from outside; clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Heard(Option<Arc<Inner>>);

/// Who asks, and what.
type Asked = (u64, RecordType, Box<str>);

#[derive(Debug)]
struct Inner {
    /// Tells what was kept, and nobody is asked.
    telling: bool,
    record: Mutex<Record>,
    /// How often each question was asked while telling.
    asked: Mutex<HashMap<Asked, usize>>,
    /// What was asked for while telling, and is not known.
    missing: Mutex<BTreeSet<String>>,
}

impl Inner {
    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer whose turn it is, if it is `wanted`; then the next one has its turn.
    fn again(
        &self,
        asker: u64,
        name: &str,
        kind: RecordType,
        wanted: impl FnOnce(&Said) -> bool,
    ) -> Option<Said> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let nth = asked.entry((asker, kind, name.into())).or_default();
        let said = self.record().said(asker, name, kind, *nth).filter(wanted)?;
        *nth += 1;
        Some(said)
    }

    fn missing(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.missing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Heard {
    /// Keeps what checks hear from now on.
    pub fn keeping() -> Heard {
        Heard::new(
            false,
            Record {
                at: clock::unsigned_seconds(),
                ..Record::default()
            },
        )
    }

    /// Tells again what was kept.
    pub fn telling(record: Record) -> Heard {
        Heard::new(true, record)
    }

    fn new(telling: bool, record: Record) -> Heard {
        Heard(Some(Arc::new(Inner {
            telling,
            record: Mutex::new(record),
            asked: Mutex::default(),
            missing: Mutex::default(),
        })))
    }

    fn teller(&self) -> Option<&Inner> {
        self.0.as_deref().filter(|inner| inner.telling)
    }

    fn keeper(&self) -> Option<&Inner> {
        self.0.as_deref().filter(|inner| !inner.telling)
    }

    /// Whether it tells, so that nobody is to be asked, counted or blamed.
    pub fn is_telling(&self) -> bool {
        self.teller().is_some()
    }

    /// The time, seconds since 1970: now, or that of the message that is told of.
    pub fn now(&self) -> u64 {
        match self.teller() {
            Some(inner) => inner.record().at,
            None => clock::unsigned_seconds(),
        }
    }

    /// What DNS says of `name` to the one called `by`, by `ask` or as it was. A question that is given up before it is answered is kept as one
    /// without an answer.
    ///
    /// # Errors
    /// As `ask`; a question that was not asked then, where it is told.
    pub async fn dns(
        &self,
        by: &str,
        name: &str,
        kind: RecordType,
        ask: impl Future<Output = Result<Found, Failure>>,
    ) -> Result<Found, Failure> {
        if let Some(inner) = self.teller() {
            return match inner.again(asker(by), name, kind, |_| true) {
                Some(said) => said.told(),
                None => {
                    inner.missing().insert(format!("{kind} {name}"));
                    Err(Failure::error("this was not asked when the message came"))
                }
            };
        }
        let Some(inner) = self.keeper() else {
            return ask.await;
        };
        let place = inner.record().ask(asker(by), name, kind, QUESTIONS);
        let answer = ask.await;
        if let Some(nth) = place {
            inner.record().answer(name, kind, nth, Said::of(&answer));
        }
        answer
    }

    /// A list is out of use for a question of the one called `by`: keeps why.
    pub fn out_of_use(&self, by: impl FnOnce() -> String, why: &str) {
        if let Some(inner) = self.keeper() {
            inner.record().out.insert(by(), why.to_owned());
        }
    }

    /// Why a list was out of use then; never where nothing is told.
    pub fn was_out_of_use(&self, by: impl FnOnce() -> String) -> Option<String> {
        self.teller()?.record().out.get(&by()).cloned()
    }

    /// Keeps a question that was one too many for the message.
    pub fn refused(&self, by: &str, name: &str, kind: RecordType) {
        if let Some(inner) = self.keeper() {
            let mut record = inner.record();
            if let Some(nth) = record.ask(asker(by), name, kind, QUESTIONS) {
                record.answer(name, kind, nth, Said::TooMany);
            }
        }
    }

    /// Whether a question was one too many then; never where nothing is told.
    pub fn was_refused(&self, by: &str, name: &str, kind: RecordType) -> bool {
        let too_many = |said: &Said| matches!(said, Said::TooMany);
        self.teller()
            .is_some_and(|inner| inner.again(asker(by), name, kind, too_many).is_some())
    }

    /// Work that may take until `deadline`. What took too long then does so again, at once.
    ///
    /// # Errors
    /// It took too long.
    pub async fn timed<T>(
        &self,
        what: impl FnOnce() -> String,
        deadline: Instant,
        work: impl Future<Output = T>,
    ) -> Result<T, Late> {
        match &self.0 {
            None => timeout_at(deadline, work).await.map_err(|_| Late),
            Some(inner) if inner.telling => {
                let late = inner.record().late.contains(&what());
                if late { Err(Late) } else { Ok(work.await) }
            }
            Some(inner) => timeout_at(deadline, work).await.map_err(|_| {
                inner.record().late.insert(what());
                Late
            }),
        }
    }

    /// Keeps what a filter heard that is no answer of DNS.
    pub fn keep<T: Serialize>(&self, filter: &str, heard: impl FnOnce() -> Option<T>) {
        if let Some(inner) = self.keeper()
            && let Some(value) = heard().and_then(|heard| serde_json::to_value(heard).ok())
        {
            inner.record().others.insert(filter.to_owned(), value);
        }
    }

    /// What a filter heard then that was no answer of DNS. `None` where nothing is told; an error where it is, and this is
    /// not known.
    pub fn told<T: DeserializeOwned>(&self, filter: &str) -> Option<Result<T, Unknown>> {
        let inner = self.teller()?;
        let value = inner.record().others.get(filter).cloned();
        let told = value.and_then(|value| serde_json::from_value(value).ok());
        if told.is_none() {
            inner.missing().insert(filter.to_owned());
        }
        Some(told.ok_or(Unknown))
    }

    /// Whether recipients could be dropped: keeps what the mail server grants.
    pub fn can_drop(&self, can_drop: bool) {
        if let Some(inner) = self.keeper() {
            inner.record().can_drop = can_drop;
        }
    }

    /// What was kept; it is no longer kept here.
    pub fn take(&self) -> Option<Record> {
        let inner = self.keeper()?;
        Some(std::mem::take(&mut *inner.record()))
    }

    /// What was asked for and is not known, each once, sorted: questions, and names of filters. From messages: to be
    /// escaped where it is shown.
    pub fn missing(&self) -> Vec<String> {
        let inner = self.teller();
        inner.map_or_else(Vec::new, |inner| inner.missing().iter().cloned().collect())
    }
}

/// It took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Late;

/// It was not heard when the message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unknown;
