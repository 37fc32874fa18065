//! The configuration file: any text is a configuration or a problem that can be shown.

use mailweir::config::{File, Source, parse_yaml};

/// What must hold for one input.
pub fn run(text: &str) {
    let source = Source::new("fuzz.yaml", text);
    match parse_yaml::<File>(&source) {
        Ok(file) => drop(file.quarantine.problems(&source).to_string()),
        Err(problem) => assert!(!problem.to_string().is_empty()),
    }
}
