//! `LocalReplyConfig` and the messages inside of it.

use nuncio_config::message;
use nuncio_contract::access_log::AccessLogFilter;
use nuncio_contract::data_source::DataSource;
use nuncio_contract::formatter::SubstitutionFormatString;
use nuncio_contract::header_mutation::HeaderValueOption;

message! {
    /// How answers of our own are worded.
    pub struct LocalReplyConfig:
        "envoy.extensions.filters.network.http_connection_manager.v3.LocalReplyConfig" {
        pub(crate) mappers: Vec<ResponseMapper>,
        pub(crate) body_format: Option<SubstitutionFormatString>,
    }
}

message! {
    /// What becomes of the answers that a condition holds for.
    pub struct ResponseMapper:
        "envoy.extensions.filters.network.http_connection_manager.v3.ResponseMapper" {
        pub(crate) filter: AccessLogFilter,
        pub(crate) status_code: Option<u32>,
        pub(crate) body: Option<DataSource>,
        pub(crate) body_format_override: Option<SubstitutionFormatString>,
        pub(crate) headers_to_add: Vec<HeaderValueOption>,
    }
}
