#![no_main]

#[path = "../bodies/reply.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|input: &str| body::run(input));
