//! `cargo +nightly fuzz run --features libfuzzer http3`
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| nuncio_fuzz::http3(input));
