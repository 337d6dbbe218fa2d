//! The base id, which tells the processes of a machine apart that restart hot.
//!
//! Nuncio does not restart hot yet, so that nothing else depends on the id; whoever asks for it in a file gets it.

use std::hash::{BuildHasher, RandomState};

use crate::cli::Options;
use crate::log;

/// Envoy multiplies the id by ten, and leaves room for that.
const DYNAMIC_BITS: u64 = 0x0fff_ffff;

/// Writes the id to `--base-id-path`, one that is chosen now with `--use-dynamic-base-id`.
pub(crate) fn publish(options: &Options) {
    let Some(path) = options
        .base_id_path
        .as_ref()
        .filter(|_| !options.disable_hot_restart)
    else {
        return;
    };
    let id = match options.use_dynamic_base_id {
        true => RandomState::new().hash_one(path) & DYNAMIC_BITS,
        false => u64::from(options.base_id),
    };
    if std::fs::write(path, id.to_string()).is_err() {
        let path = path.display();
        let text = format!("cannot open base id output file {path} for writing.");
        log::critical("misc", &text);
    }
}
