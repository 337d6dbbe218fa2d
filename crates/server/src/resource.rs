//! Listeners and clusters as a configuration has them, compiled and not yet running, and what tells one
//! version of them from another.

use std::sync::Arc;

use nuncio_config::tree::{Message, same, same_but_for};
use nuncio_config::typed::FileRead;
use nuncio_http::route::RouteTable;
use nuncio_upstream::config::ClusterConfig;

use crate::listener::CompiledListener;

const ROUTE_CONFIGURATION: &str = "envoy.config.route.v3.RouteConfiguration";

/// What a resource was made of.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    /// Its message.
    pub message: Arc<Message>,
    /// The files that it names: certificates, bodies.
    pub files: Vec<FileRead>,
}

/// A listener, ready to be bound.
pub(crate) struct ListenerResource {
    /// What it was made of.
    pub version: Version,
    /// Its config.
    pub listener: Arc<CompiledListener>,
    /// Its routes, which can change without it.
    pub routes: Arc<RouteTable>,
}

/// A cluster, ready to be added.
pub(crate) struct ClusterResource {
    /// What it was made of.
    pub version: Version,
    /// Its config.
    pub config: ClusterConfig,
}

/// How much of a resource is another than before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing.
    Nothing,
    /// The routes inside of it.
    Routes,
    /// The bytes of files that it names.
    Files,
    /// More than that.
    Much,
}

impl Version {
    /// How much of `newer` is another than this.
    pub(crate) fn change_to(&self, newer: &Version) -> Change {
        let same_files = self.files.len() == newer.files.len()
            && self
                .files
                .iter()
                .zip(&newer.files)
                .all(|(old, new)| old.has_same_content(new));
        match (same(&self.message, &newer.message), same_files) {
            (true, true) => Change::Nothing,
            (true, false) => Change::Files,
            (false, true) if same_but_for(&self.message, &newer.message, ROUTE_CONFIGURATION) => {
                Change::Routes
            }
            (false, _) => Change::Much,
        }
    }
}
