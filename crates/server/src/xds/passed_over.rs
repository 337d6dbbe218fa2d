//! Fields that the API does not have, in what comes while Nuncio runs: `--reject-unknown-dynamic-fields` and
//! `--ignore-unknown-dynamic-fields`, of which the first wins where both are given.
//!
//! As in Envoy they are told and counted (`server.dynamic_unknown_fields`) once, however often they come again.
//!
//! Limit: [`MOST_REMEMBERED`]; what is new beyond is told and counted each time.

use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::Arc;

use nuncio_config::resources::{UnknownFields, is_of_unknown_field};
use nuncio_contract::hash::xxh64;
use nuncio_contract::stats::groups::ServerStats;

use super::delivery::Delivery;
use crate::bootstrap::Surroundings;
use crate::cli::Options;

/// How many different fields are remembered as told.
const MOST_REMEMBERED: usize = 10_000;

/// What becomes of fields that the API does not have.
pub(super) struct PassedOver {
    pub(super) unknown: UnknownFields,
    /// Hashes of what was said of them.
    remembered: RefCell<HashSet<u64>>,
    stats: Arc<ServerStats>,
}

impl PassedOver {
    pub(super) fn new(around: &Surroundings<'_>) -> Self {
        PassedOver {
            unknown: unknown_fields(around.options),
            remembered: RefCell::default(),
            stats: around.stats.root().worker_group(),
        }
    }

    /// Counts those of a delivery that were not there before; nothing more is said of a delivery that has no others.
    pub(super) fn told(&self, mut delivery: Delivery) -> Delivery {
        let Ok(response) = &mut delivery else {
            return delivery;
        };
        let unknown = std::mem::take(&mut response.unknown_fields);
        let new = unknown.iter().filter(|text| self.is_new(text)).count();
        self.stats
            .dynamic_unknown_fields
            .add(u64::try_from(new).unwrap_or(u64::MAX));
        if new == 0 && !unknown.is_empty() {
            let warnings = std::mem::take(&mut response.warnings);
            response.warnings = warnings.filter(|found| !is_of_unknown_field(found));
        }
        delivery
    }

    fn is_new(&self, text: &str) -> bool {
        let mut remembered = self.remembered.borrow_mut();
        let hash = xxh64(text.as_bytes(), 0);
        match remembered.len() < MOST_REMEMBERED {
            true => remembered.insert(hash),
            false => !remembered.contains(&hash),
        }
    }
}

/// What the command line wants.
fn unknown_fields(options: &Options) -> UnknownFields {
    match (
        options.reject_unknown_dynamic_fields,
        options.ignore_unknown_dynamic_fields,
    ) {
        (true, _) => UnknownFields::Refused,
        (false, true) => UnknownFields::Ignored,
        (false, false) => UnknownFields::Warned,
    }
}
