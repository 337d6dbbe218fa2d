//! `LayeredRuntime` and the messages inside of it.

use std::sync::Arc;

use nuncio_config::tree::Json;
use nuncio_config::typed::{Attempt, Spanned};
use nuncio_config::{message, one_of};
use nuncio_contract::config_source::ConfigSource;

message! {
    /// All layers, the lowest first.
    pub(crate) struct LayeredRuntime: "envoy.config.bootstrap.v3.LayeredRuntime" {
        pub(super) layers: Vec<Attempt<RuntimeLayer>>,
    }
}

message! {
    /// A layer.
    pub(crate) struct RuntimeLayer: "envoy.config.bootstrap.v3.RuntimeLayer" {
        pub(super) name: String,
        pub(super) oneof layer_specifier: LayerSpecifier,
    }
}

one_of! {
    /// Where its values come from.
    pub(crate) enum LayerSpecifier {
        static_layer => Static(Spanned<Arc<Json>>),
        disk_layer => Disk(DiskLayer),
        admin_layer => Admin(AdminLayer),
        rtds_layer => Rtds(RtdsLayer),
    }
}

message! {
    /// A directory with a file for each value.
    pub(crate) struct DiskLayer: "envoy.config.bootstrap.v3.RuntimeLayer.DiskLayer" {
        pub(super) symlink_root: String,
        pub(super) subdirectory: String,
        pub(super) append_service_cluster: bool,
    }
}

message! {
    /// What a source says and changes.
    pub(crate) struct RtdsLayer: "envoy.config.bootstrap.v3.RuntimeLayer.RtdsLayer" {
        pub(super) name: String,
        pub(super) rtds_config: ConfigSource,
    }
}

message! {
    /// The values of a layer as a source has them.
    pub(crate) struct RuntimeResource: "envoy.service.runtime.v3.Runtime" {
        pub(super) name: String,
        pub(super) layer: Option<Spanned<Arc<Json>>>,
    }
}

message! {
    /// What `/runtime_modify` sets.
    pub(crate) struct AdminLayer: "envoy.config.bootstrap.v3.RuntimeLayer.AdminLayer" {}
}
