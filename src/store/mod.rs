//! The embedded store: what filters remember of senders from one message to the next.
//!
//! In: facts ([`Fact`]), each under a [`Key`] of a [`Kind`], changed by filters on the way of a message. Out: the
//! same facts, also after a restart. Promises: [`Facts`] live in memory, bounded for each kind, the one that was
//! touched longest ago going first; a filter never waits for the disk. One task, the [`Keeper`] of a [`FactsFile`], writes what has changed
//! each second in one transaction, so that a crash costs the last second. A file that cannot be read is set aside and
//! a new one begun; a disk that is full or read-only is counted and said once, and mail goes on.
//!
//! [`Keeper`] is that task for whatever is [`Kept`] so; [`Database`] is the connection to an SQLite file, with its schema; whoever keeps something of its own opens one of
//! its own.

pub(crate) mod aside;
mod changes;
mod database;
mod fact;
mod facts;
mod facts_file;
mod keeper;
mod recency;
mod table;

pub use database::{Database, DatabaseError, Durability, Schema};
pub use fact::{Fact, Key, Kind};
pub use facts::Facts;
pub use facts_file::{FILE, FactsFile};
pub use keeper::{Gauges, KeepError, Keeper, Kept};
pub use table::{Row, Table};
