//! The `mailweir` binary: see the library for the map of the code.

use std::process::ExitCode;

fn main() -> ExitCode {
    mailweir::cli::run()
}
