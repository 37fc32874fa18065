//! The configuration file: any text is a configuration or a problem that can be shown.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mailweir::config::{File, Source, parse_yaml};

fuzz_target!(|text: &str| {
    let source = Source::new("fuzz.yaml", text);
    match parse_yaml::<File>(&source) {
        Ok(file) => drop(file.quarantine.problems(&source).to_string()),
        Err(problem) => assert!(!problem.to_string().is_empty()),
    }
});
