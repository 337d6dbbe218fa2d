//! Each target over its seeds, and over 10,000 inputs made from them: what `cargo fuzz`
//! would find in its first minute, without a nightly tool chain.

use std::path::Path;

use nuncio_fuzz::mutate::Mutator;

const INPUTS: usize = 10_000;

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    let entries = std::fs::read_dir(&folder).expect("a folder of seeds");
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    let read = paths
        .iter()
        .map(|path| std::fs::read(path).expect("a seed"));
    read.collect()
}

fn run(target: &str, inputs: usize, body: fn(&[u8])) {
    let seeds = seeds(target);
    assert!(seeds.len() >= 10, "{target} has {} seeds", seeds.len());
    let mut mutator = Mutator::new(&seeds, 0x6e75_6e63_696f);
    let made = std::iter::repeat_with(|| mutator.next_input()).take(inputs);
    for input in seeds.iter().cloned().chain(made) {
        let outcome = std::panic::catch_unwind(|| body(&input));
        assert!(outcome.is_ok(), "{target} on {}", input.escape_ascii());
    }
}

#[test]
fn http1_keeps_its_promises() {
    run("http1", INPUTS, nuncio_fuzz::http1);
}

#[test]
fn http2_keeps_its_promises() {
    run("http2", INPUTS, nuncio_fuzz::http2);
}

#[test]
fn http3_keeps_its_promises() {
    run("http3", INPUTS, nuncio_fuzz::http3);
}

#[test]
fn config_keeps_its_promises() {
    run("config", INPUTS, nuncio_fuzz::config);
}

#[test]
fn bootstrap_keeps_its_promises() {
    run("bootstrap", INPUTS / 5, nuncio_fuzz::bootstrap);
}

#[test]
fn redis_keeps_its_promises() {
    run("redis", INPUTS, nuncio_fuzz::redis);
}

#[test]
fn thrift_keeps_its_promises() {
    run("thrift", INPUTS, nuncio_fuzz::thrift);
}

#[test]
fn mongo_keeps_its_promises() {
    run("mongo", INPUTS, nuncio_fuzz::mongo);
}

#[test]
fn zookeeper_keeps_its_promises() {
    run("zookeeper", INPUTS, nuncio_fuzz::zookeeper);
}

#[test]
fn transcoding_keeps_its_promises() {
    run("transcoding", INPUTS, nuncio_fuzz::transcoding);
}
