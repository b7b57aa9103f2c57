//! The program: arguments, configuration, stages, run directory.
fn main() {}
