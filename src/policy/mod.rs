//! What holds for a message, by who sends it and to whom.
//!
//! In: the envelope, the outcomes of the chain, the results of sender authentication. Out: which way the message goes,
//! the policy of each recipient, the verdict of each policy, and one [`Ruling`] for the message: what all get, and who
//! is left out of it.
//!
//! Promises: the first policy that takes a recipient holds for it, and the verdict of a policy depends on nothing but
//! that policy and the message, never on the other recipients. An allow entry counts for a proven sender only, unless
//! it says otherwise, and sets nothing aside but the score. A policy that no mail comes to is a problem of the
//! configuration. Pure but for the reading of list files.

mod actions;
mod address_list;
mod language;
mod options;
mod outbound;
mod policies;
mod ruling;
mod scope;
mod senders;
mod settings;

pub use address_list::check_list;
pub use options::{
    ActionOptions, AllowOptions, Conflict, ConflictFallback, DenyAction, DenyOptions,
    LanguageOptions, PolicyOptions, ScopeOptions, ThresholdOptions,
};
pub use outbound::{Outbound, OutboundOptions};
pub use policies::{NAME, Policies, Policy};
pub use ruling::{Held, Ruling, SKIPPED, Settled, Share};

#[cfg(test)]
mod tests;
