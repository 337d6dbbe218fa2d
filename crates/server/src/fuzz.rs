//! The way in for fuzzing: a bootstrap is read, checked and compiled; nothing is bound or run.

use std::rc::Rc;
use std::sync::Arc;

use nuncio_config::bootstrap::Input;
use nuncio_config::report::Style;
use nuncio_config::text::Limits;
use nuncio_contract::registry::Extensions;
use nuncio_contract::stats::StatsStore;
use nuncio_upstream::ClusterManager;

use crate::bootstrap::{SecretShelf, Surroundings, compile_input};
use crate::cli;

/// Small limits, so that a run stays quick.
const LIMITS: Limits = Limits {
    text_bytes: 1 << 18,
    depth: 100,
    nodes: 20_000,
};

/// Compiles the input, read as YAML; the first byte says whether what is not supported is allowed.
pub fn fuzz_compile(input: &[u8], extensions: &Extensions) {
    let Some((first, rest)) = input.split_first() else {
        return;
    };
    let flags: &[&str] = match first % 2 {
        0 => &["nuncio"],
        _ => &["nuncio", "--allow-unsupported"],
    };
    let flags: Vec<_> = flags.iter().map(|flag| (*flag).to_owned()).collect();
    let Ok(options) = cli::read(&flags, "", "") else {
        return;
    };
    let stats = StatsStore::default();
    let around = Surroundings {
        options: &options,
        extensions,
        manager: &Arc::new(ClusterManager::new(stats.clone())),
        stats: &stats,
        runtime: &Rc::default(),
        secrets: SecretShelf::default(),
        channels: nuncio_config::typed::Channels::default(),
    };
    let input = Input {
        yaml: Some(String::from_utf8_lossy(rest).into_owned()),
        limits: LIMITS,
        ..Input::default()
    };
    let (Ok((_, findings)) | Err(findings)) = compile_input(&around, &input);
    drop(findings.render(Style::Plain));
}
