//! Project automation: ci, tidy, data, reproduce, gpu.
fn main() {}
