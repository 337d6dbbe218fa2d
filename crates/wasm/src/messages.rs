//! The messages that configure plugins.

use std::time::Duration;

use nuncio_config::typed::{Any, Spanned};
use nuncio_config::{enumeration, message, one_of};
use nuncio_contract::calls::CoreRetryPolicy;
use nuncio_contract::data_source::DataSource;

message! {
    /// The HTTP filter.
    pub(crate) struct HttpWasm: "envoy.extensions.filters.http.wasm.v3.Wasm" {
        pub(crate) config: Option<PluginConfig>,
    }
}

message! {
    /// The network filter.
    pub(crate) struct NetworkWasm: "envoy.extensions.filters.network.wasm.v3.Wasm" {
        pub(crate) config: Option<PluginConfig>,
    }
}

message! {
    /// The access logger.
    pub(crate) struct WasmAccessLog: "envoy.extensions.access_loggers.wasm.v3.WasmAccessLog" {
        pub(crate) config: Option<PluginConfig>,
    }
}

message! {
    /// A plugin beside the streams.
    pub(crate) struct WasmService: "envoy.extensions.wasm.v3.WasmService" {
        pub(crate) config: Option<PluginConfig>,
        pub(crate) singleton: bool,
    }
}

message! {
    /// A plugin.
    pub(crate) struct PluginConfig: "envoy.extensions.wasm.v3.PluginConfig" {
        pub(crate) name: Spanned<String>,
        pub(crate) root_id: String,
        pub(crate) oneof vm: Option<VmChoice>,
        pub(crate) configuration: Option<Any>,
        pub(crate) fail_open: Spanned<bool>,
        pub(crate) failure_policy: FailurePolicy,
        pub(crate) reload_config: Option<ReloadConfig>,
        pub(crate) capability_restriction_config: Option<CapabilityRestrictionConfig>,
        pub(crate) allow_on_headers_stop_iteration: Option<bool>,
    }
}

one_of! {
    /// Where it runs.
    pub(crate) enum VmChoice {
        vm_config => Vm(VmConfig),
    }
}

message! {
    /// A VM.
    pub(crate) struct VmConfig: "envoy.extensions.wasm.v3.VmConfig" {
        pub(crate) vm_id: String,
        pub(crate) runtime: Spanned<String>,
        pub(crate) code: Option<AsyncDataSource>,
        pub(crate) configuration: Option<Any>,
        inert allow_precompiled = "nothing is precompiled for the engine of Nuncio",
        pub(crate) nack_on_code_cache_miss: bool,
        pub(crate) environment_variables: Option<EnvironmentVariables>,
    }
}

message! {
    /// Code.
    pub(crate) struct AsyncDataSource: "envoy.config.core.v3.AsyncDataSource" {
        pub(crate) oneof specifier: Option<CodeSource>,
    }
}

one_of! {
    /// Where code comes from.
    pub(crate) enum CodeSource {
        local => Local(DataSource),
        remote => Remote(RemoteDataSource),
    }
}

message! {
    /// Code that is fetched.
    pub(crate) struct RemoteDataSource: "envoy.config.core.v3.RemoteDataSource" {
        pub(crate) http_uri: HttpUri,
        pub(crate) sha256: String,
        pub(crate) retry_policy: Option<CoreRetryPolicy>,
    }
}

message! {
    /// Where it is fetched from.
    pub(crate) struct HttpUri: "envoy.config.core.v3.HttpUri" {
        pub(crate) uri: String,
        pub(crate) oneof http_upstream_type: HttpUpstream,
        pub(crate) timeout: Duration,
    }
}

one_of! {
    /// The cluster.
    pub(crate) enum HttpUpstream {
        cluster => Cluster(String),
    }
}

message! {
    /// Variables of the environment.
    pub(crate) struct EnvironmentVariables: "envoy.extensions.wasm.v3.EnvironmentVariables" {
        pub(crate) host_env_keys: Vec<Spanned<String>>,
        pub(crate) key_values: Vec<(String, String)>,
    }
}

message! {
    /// How a plugin that failed is made anew.
    pub(crate) struct ReloadConfig: "envoy.extensions.wasm.v3.ReloadConfig" {
        pub(crate) backoff: Option<BackoffStrategy>,
    }
}

message! {
    /// How often at most.
    pub(crate) struct BackoffStrategy: "envoy.config.core.v3.BackoffStrategy" {
        pub(crate) base_interval: Duration,
        inert max_interval = "Envoy does not look at it here",
    }
}

message! {
    /// What plugins may ask for.
    pub(crate) struct CapabilityRestrictionConfig: "envoy.extensions.wasm.v3.CapabilityRestrictionConfig" {
        pub(crate) allowed_capabilities: Vec<(String, SanitizationConfig)>,
    }
}

message! {
    /// It has no fields.
    pub(crate) struct SanitizationConfig: "envoy.extensions.wasm.v3.SanitizationConfig" {}
}

enumeration! {
    /// What becomes of streams whose plugin failed.
    pub(crate) enum FailurePolicy: "envoy.extensions.wasm.v3.FailurePolicy" {
        UNSPECIFIED => Unspecified,
        FAIL_RELOAD => Reload,
        FAIL_CLOSED => Closed,
        FAIL_OPEN => Open,
    }
}
