//! `cargo +nightly fuzz run --features libfuzzer bootstrap`
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| nuncio_fuzz::bootstrap(input));
