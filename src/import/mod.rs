//! Rules of other filters, taken over as rule files of mailweir.

pub mod spamassassin;
