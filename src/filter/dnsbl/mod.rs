//! The `dnsbl` filter.
