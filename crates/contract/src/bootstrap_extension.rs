//! The interface of bootstrap extensions: what runs as long as the process does, beside its streams.
//!
//! A room parses the message into a [`BootstrapExtensionConfig`], once at start; each worker, or the main thread alone, makes
//! what runs of it, and lets go of it when it ends. Follows Envoy's `Server::BootstrapExtension`.

use std::any::Any as Kept;
use std::sync::Arc;

use nuncio_config::typed::{Any, Ctx, Refused, SupportTable};

use crate::stats::Scope;

/// Parses an extension's message; errors go to the context.
pub type ParseBootstrapExtension =
    fn(&Any, &mut Ctx) -> Result<Arc<dyn BootstrapExtensionConfig>, Refused>;

/// An extension's room.
pub struct BootstrapExtensionRoom {
    /// Envoy's name, such as `envoy.bootstrap.wasm`.
    pub name: &'static str,
    /// The full name of its message.
    pub message: &'static str,
    /// Parses the message; errors go to the context.
    pub parse: ParseBootstrapExtension,
    /// Adds what the room honours to the support table.
    pub support: fn(&mut SupportTable),
}

/// A parsed extension.
pub trait BootstrapExtensionConfig: Send + Sync {
    /// Whether it runs on the main thread alone, and not on each worker.
    fn is_singleton(&self) -> bool;
    /// What runs on the calling thread, as long as it is kept. The thread's calls are offered by then.
    fn start(&self, root: &Scope) -> Box<dyn Kept>;
}

/// The rooms of bootstrap extensions, family by family.
pub type BootstrapExtensionRooms = &'static [&'static [&'static BootstrapExtensionRoom]];
