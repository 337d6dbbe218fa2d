//! `AlternateProtocolsCacheOptions`: where it is kept which hosts speak HTTP/3.
//!
//! Default: 1,024 origins. Not supported: keeping them on disk (`key_value_store_config`), and speaking for the origins of a
//! domain at once (`canonical_suffixes`).

use nuncio_config::message;
use nuncio_contract::alternate_protocols::{DEFAULT_MAX_ENTRIES, Origin};

use crate::cluster::AlternatesSettings;

message! {
    /// The cache.
    pub(crate) struct AlternatesOptions: "envoy.config.core.v3.AlternateProtocolsCacheOptions" {
        name: String,
        max_entries: Option<u32>,
        prepopulated_entries: Vec<PrepopulatedEntry>,
    }
}

message! {
    /// An origin that speaks HTTP/3.
    pub(crate) struct PrepopulatedEntry: "envoy.config.core.v3.AlternateProtocolsCacheOptions.AlternateProtocolsCacheEntry" {
        hostname: String,
        port: u32,
    }
}

impl AlternatesOptions {
    pub(super) fn compile(&self) -> AlternatesSettings {
        let most = self.max_entries.map(usize::try_from);
        let origins = self.prepopulated_entries.iter();
        AlternatesSettings {
            name: self.name.as_str().into(),
            max_entries: most.map_or(DEFAULT_MAX_ENTRIES, |most| most.unwrap_or(usize::MAX)),
            prepopulated: origins
                .filter_map(|entry| {
                    let port = u16::try_from(entry.port).ok()?;
                    Some(Origin::new(&entry.hostname, port))
                })
                .collect(),
        }
    }
}
