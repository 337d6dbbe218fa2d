//! `cargo +nightly fuzz run --features libfuzzer transcoding`
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| nuncio_fuzz::transcoding(input));
