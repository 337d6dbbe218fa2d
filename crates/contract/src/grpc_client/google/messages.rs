//! The messages of `google_grpc`.

use nuncio_config::typed::{Any, Spanned};
use nuncio_config::{message, one_of};

use crate::data_source::DataSource;

message! {
    /// A channel of gRPC by itself.
    pub struct GoogleGrpc: "envoy.config.core.v3.GrpcService.GoogleGrpc" {
        pub(super) target_uri: Spanned<String>,
        pub(super) channel_credentials: Option<ChannelCredentials>,
        pub(super) call_credentials: Vec<CallCredentials>,
        pub(super) stat_prefix: String,
        pub(super) credentials_factory_name: Spanned<String>,
        pub(super) channel_args: Option<ChannelArgs>,
    }
}

message! {
    /// What a channel proves, and wants proved.
    pub struct ChannelCredentials: "envoy.config.core.v3.GrpcService.GoogleGrpc.ChannelCredentials" {
        pub(super) oneof credential_specifier: ChannelCredentialKind,
    }
}

one_of! {
    /// How.
    pub enum ChannelCredentialKind {
        ssl_credentials => Ssl(SslCredentials),
        local_credentials => Local(LocalCredentials),
    }
}

message! {
    /// By TLS.
    pub struct SslCredentials: "envoy.config.core.v3.GrpcService.GoogleGrpc.SslCredentials" {
        pub(super) root_certs: Option<DataSource>,
        pub(super) private_key: Option<DataSource>,
        pub(super) cert_chain: Option<DataSource>,
    }
}

message! {
    /// By being on the same machine.
    pub struct LocalCredentials: "envoy.config.core.v3.GrpcService.GoogleGrpc.GoogleLocalCredentials" {}
}

message! {
    /// What each call proves.
    pub struct CallCredentials: "envoy.config.core.v3.GrpcService.GoogleGrpc.CallCredentials" {
        pub(super) oneof credential_specifier: CallCredentialKind,
    }
}

one_of! {
    /// How.
    pub enum CallCredentialKind {
        access_token => Token(Spanned<String>),
        from_plugin => Plugin(Plugin),
    }
}

message! {
    /// By an extension.
    pub struct Plugin: "envoy.config.core.v3.GrpcService.GoogleGrpc.CallCredentials.MetadataCredentialsFromPlugin" {
        pub(super) name: Spanned<String>,
        pub(super) oneof config_type: Option<PluginConfig>,
    }
}

one_of! {
    /// Its configuration.
    pub enum PluginConfig {
        typed_config => Typed(Any),
    }
}

message! {
    /// By a secret in a file.
    pub struct FileBasedMetadata: "envoy.config.grpc_credential.v3.FileBasedMetadataConfig" {
        pub(super) secret_data: Option<DataSource>,
        pub(super) header_key: Spanned<String>,
        pub(super) header_prefix: String,
    }
}

message! {
    /// What else is said of a channel.
    pub struct ChannelArgs: "envoy.config.core.v3.GrpcService.GoogleGrpc.ChannelArgs" {
        pub(super) args: Vec<(String, ArgValue)>,
    }
}

message! {
    /// One of these.
    pub struct ArgValue: "envoy.config.core.v3.GrpcService.GoogleGrpc.ChannelArgs.Value" {
        pub(super) oneof value_specifier: ArgKind,
    }
}

one_of! {
    /// A text or a number.
    pub enum ArgKind {
        string_value => Text(String),
        int_value => Number(i64),
    }
}
