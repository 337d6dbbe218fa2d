//! `cargo +nightly fuzz run --features libfuzzer redis`
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| nuncio_fuzz::redis(input));
