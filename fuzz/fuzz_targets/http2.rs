//! `cargo +nightly fuzz run --features libfuzzer http2`
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| nuncio_fuzz::http2(input));
