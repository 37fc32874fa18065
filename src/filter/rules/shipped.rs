//! The rules that come with mailweir, compiled in so that one binary is enough.

/// Name and text of each file, in the order of the names.
pub(super) const FILES: &[(&str, &str)] = &[];
