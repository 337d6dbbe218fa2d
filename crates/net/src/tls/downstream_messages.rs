//! The messages of a listener's TLS, as far as they are honoured.

use std::time::Duration;

use nuncio_config::{enumeration, message, one_of};
use nuncio_contract::data_source::DataSource;
use nuncio_contract::generic_secret::SdsSecretConfig;

use super::messages::CommonTlsContext;

message! {
    /// TLS towards a listener's clients.
    pub struct DownstreamTlsContext: "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext" {
        pub(crate) common_tls_context: Option<CommonTlsContext>,
        pub(crate) require_client_certificate: Option<bool>,
        inert require_sni = "Envoy does not look at it",
        pub(crate) oneof session_ticket_keys_type: Option<SessionTicketKeysType>,
        pub(crate) disable_stateful_session_resumption: bool,
        pub(crate) session_timeout: Option<Duration>,
        pub(crate) ocsp_staple_policy: OcspStaplePolicy,
        pub(crate) full_scan_certs_on_sni_mismatch: Option<bool>,
        pub(crate) prefer_client_ciphers: bool,
    }
}

impl DownstreamTlsContext {
    /// Whether clients have to show a certificate.
    pub fn requires_client_certificate(&self) -> bool {
        self.require_client_certificate == Some(true)
    }

    /// Whether there is a validation context.
    pub fn validates(&self) -> bool {
        let common = self.common_tls_context.as_ref();
        common.is_some_and(|common| common.validation_context_type.is_some())
    }
}

one_of! {
    /// What seals session tickets.
    pub(crate) enum SessionTicketKeysType {
        session_ticket_keys => Keys(TlsSessionTicketKeys),
        session_ticket_keys_sds_secret_config => Secret(SdsSecretConfig),
        disable_stateless_session_resumption => Disabled(bool),
    }
}

message! {
    /// Keys of session tickets: the first seals, all open.
    pub(crate) struct TlsSessionTicketKeys: "envoy.extensions.transport_sockets.tls.v3.TlsSessionTicketKeys" {
        pub(crate) keys: Vec<DataSource>,
    }
}

enumeration! {
    /// Whether a certificate may be shown without a valid OCSP response.
    pub(crate) enum OcspStaplePolicy: "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext.OcspStaplePolicy" {
        LENIENT_STAPLING => Lenient,
        STRICT_STAPLING => Strict,
        MUST_STAPLE => Must,
    }
}
