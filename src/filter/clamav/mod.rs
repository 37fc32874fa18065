//! The `clamav` filter.
