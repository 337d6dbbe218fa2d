//! What the contract's own code honours beside the messages that rooms and engine embed.

use nuncio_config::typed::{FromValue, SupportTable};

/// Adds the messages that stand behind an `Any`.
pub fn support(table: &mut SupportTable) {
    crate::config_source::MinimumClusters::support(table);
    crate::match_tree::support(table);
    crate::formatter::Cel::support(table);
    crate::formatter::FormatterSecrets::support(table);
    crate::rate_limit::support(table);
    crate::access_log::support(table);
    crate::grpc_client::support(table);
    for formatter in crate::formatter::EXTENSIONS {
        table.add_message(formatter);
    }
}
