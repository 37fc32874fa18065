//! Configuration: what the admin wrote in YAML, checked, and turned into what the daemon runs with.
//!
//! Nothing here is lenient: an unknown key, a duplicate key, a wrong type or a value out of range is a
//! [`Problem`] with file, line, column and a caret.

mod diagnostic;
mod duration;
mod file;
mod findings;
mod fixed;
mod glob;
mod mask;
mod run;
mod secret;
mod size;

#[cfg(test)]
pub(crate) use diagnostic::checked;
pub use diagnostic::{Problem, Problems, Severity, Source, parse_yaml, span_of};
pub use duration::Seconds;
pub(crate) use file::unwritten;
pub use file::{File, FilterName, LogFormat, LogLevel, LogSection};
pub use findings::Findings;
pub(crate) use glob::fits;
pub use glob::{GLOB_BYTES, Glob};
pub use run::{Config, DEFAULT, Overrides};
pub(crate) use secret::{Hidden, secret_line};
pub use size::ByteSize;
