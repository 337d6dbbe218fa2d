//! The nuncio binary.
#![forbid(unsafe_code)]

fn main() {}
