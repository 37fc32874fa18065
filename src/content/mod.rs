//! What files hold, whatever brought them: told from their structure, without running anything.
//!
//! In: names and bytes. Out: facts for rules. This layer knows nothing of filters and verdicts.

pub mod document;
