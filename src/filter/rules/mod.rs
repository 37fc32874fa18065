//! The `rules` filter.
