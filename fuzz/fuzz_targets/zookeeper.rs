//! `cargo +nightly fuzz run --features libfuzzer zookeeper`
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| nuncio_fuzz::zookeeper(input));
