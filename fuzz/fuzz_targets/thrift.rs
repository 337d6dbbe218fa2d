//! `cargo +nightly fuzz run --features libfuzzer thrift`
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| nuncio_fuzz::thrift(input));
