//! Plugins that choose a route's cluster for each request, by its head and what is known of it.
//!
//! A choice is made once, when the route is found, and again where it is looked for again. Follows
//! `cluster_specifier_plugin` and `inline_cluster_specifier_plugin`.

use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, Refused, Spanned, SupportTable};

use crate::headers::HeaderMap;
use crate::stream_info::StreamInfo;

/// A plugin that is configured, shared by the workers.
pub trait ClusterSpecifier: Send + Sync {
    /// The name of the cluster for a request; there may be none of that name.
    fn choose(&self, request: &HeaderMap, info: &StreamInfo) -> Vec<u8>;

    /// Whether it is asked again for another try, where its route says so.
    fn chooses_again(&self) -> bool {
        false
    }
}

/// Parses the message; errors go to the context.
pub type ParseClusterSpecifier = fn(&Any, &mut Ctx) -> Result<Arc<dyn ClusterSpecifier>, Refused>;

/// A kind of plugin.
pub struct ClusterSpecifierRoom {
    /// Envoy's name, such as `envoy.router.cluster_specifier_plugin.lua`.
    pub name: &'static str,
    /// The full name of its message.
    pub message: &'static str,
    /// Parses the message; errors go to the context.
    pub parse: ParseClusterSpecifier,
    /// Adds what the room honours to the support table.
    pub support: fn(&mut SupportTable),
}

message! {
    /// A plugin with its name.
    pub struct ClusterSpecifierPlugin: "envoy.config.route.v3.ClusterSpecifierPlugin" {
        extension: PluginExtension,
        is_optional: bool,
    }
}

message! {
    /// Which it is, and its configuration.
    struct PluginExtension: "envoy.config.core.v3.TypedExtensionConfig" {
        name: Spanned<String>,
        typed_config: Any,
    }
}

/// A compiled plugin; none of a kind that there is not, which it may be where it is optional.
pub type CompiledPlugin = Option<Arc<dyn ClusterSpecifier>>;

impl ClusterSpecifierPlugin {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.extension.name.value
    }

    /// The plugin, of one of these kinds.
    ///
    /// # Errors
    /// [`Refused`] when it cannot be used.
    pub fn compile(
        &self,
        rooms: &'static [&'static [&'static ClusterSpecifierRoom]],
        ctx: &mut Ctx,
    ) -> Result<CompiledPlugin, Refused> {
        let any = &self.extension.typed_config;
        let mut all = rooms.iter().copied().flatten();
        match all.find(|room| room.message == any.type_name()) {
            Some(room) => (room.parse)(any, ctx).map(Some),
            None if self.is_optional => Ok(None),
            None => {
                let what = format!(
                    "the cluster specifier `{}` ({})",
                    self.name(),
                    any.type_name()
                );
                Err(ctx.unsupported_here(any.span, what))
            }
        }
    }
}
