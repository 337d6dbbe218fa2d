//! `cargo +nightly fuzz run --features libfuzzer mongo`
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| nuncio_fuzz::mongo(input));
