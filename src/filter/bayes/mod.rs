//! The `bayes` filter.
