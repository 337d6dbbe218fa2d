//! `cargo +nightly fuzz run --features libfuzzer http1`
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| nuncio_fuzz::http1(input));
