//! From a verdict to replies, header changes and side effects.
