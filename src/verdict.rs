//! Outcomes to verdict.
