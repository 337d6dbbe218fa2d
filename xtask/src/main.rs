//! Chores of the project: `cargo run -p xtask -- help`.
#![forbid(unsafe_code)]

fn main() {}
