//! The `mailweir` binary: see the library for the map of the code.

fn main() {}
