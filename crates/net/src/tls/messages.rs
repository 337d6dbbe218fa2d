//! The messages of TLS contexts, as far as they are honoured.

use std::sync::Arc;

use nuncio_config::tree::Message;
use nuncio_config::typed::{Any, Spanned};
use nuncio_config::{enumeration, message, one_of};
use nuncio_contract::data_source::DataSource;
use nuncio_contract::generic_secret::{GenericSecretMessage, SdsSecretConfig};
use nuncio_contract::matching::{CidrRange, StringMatcher};

use super::downstream_messages::TlsSessionTicketKeys;

message! {
    /// TLS towards a cluster's hosts.
    pub struct UpstreamTlsContext: "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext" {
        pub(crate) common_tls_context: Option<CommonTlsContext>,
        pub(crate) sni: Spanned<String>,
        pub(crate) max_session_keys: Option<u32>,
        pub(crate) auto_host_sni: bool,
        pub(crate) auto_sni_san_validation: bool,
        inert enforce_rsa_key_usage = "key usage is always enforced";
    }
}

message! {
    /// What both sides of TLS have in common.
    pub(crate) struct CommonTlsContext: "envoy.extensions.transport_sockets.tls.v3.CommonTlsContext" {
        pub(crate) tls_params: Option<TlsParameters>,
        pub(crate) tls_certificates: Vec<TlsCertificate>,
        pub(crate) tls_certificate_sds_secret_configs: Vec<SdsSecretConfig>,
        pub(crate) oneof validation_context_type: Option<ValidationContextType>,
        pub(crate) alpn_protocols: Vec<String>,
        pub(crate) key_log: Option<TlsKeyLog>,
    }
}

message! {
    /// Where the secrets of connections are written, for who looks into their packets.
    pub(crate) struct TlsKeyLog: "envoy.extensions.transport_sockets.tls.v3.TlsKeyLog" {
        pub(crate) path: Spanned<String>,
        pub(crate) local_address_range: Vec<CidrRange>,
        pub(crate) remote_address_range: Vec<CidrRange>,
    }
}

one_of! {
    /// How the peer is verified.
    pub(crate) enum ValidationContextType {
        validation_context => Static(CertificateValidationContext),
        validation_context_sds_secret_config => Secret(SdsSecretConfig),
        combined_validation_context => Combined(CombinedValidationContext),
    }
}

message! {
    /// A validation context, and a secret that is merged over it.
    pub(crate) struct CombinedValidationContext: "envoy.extensions.transport_sockets.tls.v3.CommonTlsContext.CombinedCertificateValidationContext" {
        pub(crate) default_validation_context: Arc<Message>,
        pub(crate) validation_context_sds_secret_config: SdsSecretConfig,
    }
}

message! {
    /// A secret of the bootstrap.
    pub struct Secret: "envoy.extensions.transport_sockets.tls.v3.Secret" {
        pub(crate) name: Spanned<String>,
        pub(crate) oneof r#type: Option<SecretType>,
    }
}

one_of! {
    /// What it holds.
    pub(crate) enum SecretType {
        tls_certificate => TlsCertificate(TlsCertificate),
        validation_context => ValidationContext(CertificateValidationContext),
        session_ticket_keys => SessionTicketKeys(TlsSessionTicketKeys),
        generic_secret => Generic(GenericSecretMessage),
    }
}

message! {
    /// Versions, suites, curves.
    pub(crate) struct TlsParameters: "envoy.extensions.transport_sockets.tls.v3.TlsParameters" {
        pub(crate) tls_minimum_protocol_version: TlsProtocol,
        pub(crate) tls_maximum_protocol_version: TlsProtocol,
        pub(crate) cipher_suites: Vec<Spanned<String>>,
        pub(crate) ecdh_curves: Vec<Spanned<String>>,
        pub(crate) signature_algorithms: Vec<Spanned<String>>,
        pub(crate) compliance_policies: Vec<CompliancePolicy>,
    }
}

enumeration! {
    /// Versions.
    pub(crate) enum TlsProtocol: "envoy.extensions.transport_sockets.tls.v3.TlsParameters.TlsProtocol" {
        TLS_AUTO => Auto,
        TLSv1_2 => Tls12,
        TLSv1_3 => Tls13,
    }
}

enumeration! {
    /// Sets of parameters that an authority prescribes.
    pub(crate) enum CompliancePolicy: "envoy.extensions.transport_sockets.tls.v3.TlsParameters.CompliancePolicy" {
        FIPS_202205 => Fips202205,
    }
}

message! {
    /// A certificate of our own.
    pub(crate) struct TlsCertificate: "envoy.extensions.transport_sockets.tls.v3.TlsCertificate" {
        pub(crate) certificate_chain: Option<DataSource>,
        pub(crate) private_key: Option<DataSource>,
        pub(crate) pkcs12: Option<DataSource>,
        pub(crate) password: Option<DataSource>,
        pub(crate) ocsp_staple: Option<DataSource>,
        inert watched_directory = "files are watched wherever they are",
    }
}

message! {
    /// How the peer's certificate is verified.
    pub(crate) struct CertificateValidationContext: "envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext" {
        pub(crate) trusted_ca: Option<DataSource>,
        pub(crate) system_root_certs: Option<SystemRootCerts>,
        pub(crate) verify_certificate_spki: Vec<Spanned<String>>,
        pub(crate) verify_certificate_hash: Vec<Spanned<String>>,
        pub(crate) match_typed_subject_alt_names: Vec<SubjectAltNameMatcher>,
        pub(crate) match_subject_alt_names: Vec<StringMatcher>,
        pub(crate) trust_chain_verification: TrustChainVerification,
        pub(crate) custom_validator_config: Option<Validator>,
        pub(crate) crl: Option<DataSource>,
        pub(crate) only_verify_leaf_cert_crl: bool,
        pub(crate) allow_expired_certificate: bool,
        pub(crate) max_verify_depth: Option<u32>,
        pub(crate) suppress_client_ca_list: bool,
        inert watched_directory = "files are watched wherever they are",
    }
}

message! {
    /// Who verifies in place of what is built in.
    pub(crate) struct Validator: "envoy.config.core.v3.TypedExtensionConfig" {
        pub(crate) name: Spanned<String>,
        pub(crate) typed_config: Any,
    }
}

message! {
    /// The system's own.
    pub(crate) struct SystemRootCerts: "envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext.SystemRootCerts" {
    }
}

enumeration! {
    /// Whether an untrusted chain is refused.
    pub(crate) enum TrustChainVerification: "envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext.TrustChainVerification" {
        VERIFY_TRUST_CHAIN => Verify,
        ACCEPT_UNTRUSTED => AcceptUntrusted,
    }
}

message! {
    /// A name that the certificate must have.
    pub(crate) struct SubjectAltNameMatcher: "envoy.extensions.transport_sockets.tls.v3.SubjectAltNameMatcher" {
        pub(crate) san_type: SanType,
        pub(crate) oid: Spanned<String>,
        pub(crate) matcher: StringMatcher,
    }
}

enumeration! {
    /// Kinds of name.
    pub(crate) enum SanType: "envoy.extensions.transport_sockets.tls.v3.SubjectAltNameMatcher.SanType" {
        EMAIL => Email,
        DNS => Dns,
        URI => Uri,
        IP_ADDRESS => IpAddress,
        OTHER_NAME => OtherName,
    }
}
