//! `cargo +nightly fuzz run --features libfuzzer config`
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| nuncio_fuzz::config(input));
