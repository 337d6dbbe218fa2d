//! Bootstrap extensions: those that rooms know, and that of internal listeners, which is the engine's
//! (`listener/internal.rs`).

use std::sync::Arc;

use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_contract::bootstrap_extension::{BootstrapExtensionConfig, BootstrapExtensionRoom};
use nuncio_contract::registry::Extensions;

use crate::config::Bootstrap;
use crate::listener::buffer_bytes;

/// What runs on threads beside the streams.
pub(crate) type RunningBeside = Arc<[Arc<dyn BootstrapExtensionConfig>]>;

fn room(extensions: &Extensions, any: &Any) -> Option<&'static BootstrapExtensionRoom> {
    let mut all = extensions.bootstrap_extensions.iter().copied().flatten();
    all.find(|room| room.message == any.type_name()).copied()
}

/// How much is kept of connections inside of the process, if the bootstrap says so; and what rooms know, in order.
pub(super) fn compile(
    bootstrap: &Bootstrap,
    extensions: &Extensions,
    ctx: &mut Ctx,
) -> (Option<usize>, Result<RunningBeside, Refused>) {
    let all = &bootstrap.bootstrap_extensions;
    let bytes = buffer_bytes(all, |any| room(extensions, any).is_some(), ctx);
    let configured = all.iter().filter_map(|it| it.typed_config.as_ref());
    let known = configured.filter_map(|any| Some((any, room(extensions, any)?)));
    let compiled: Vec<_> = known.map(|(any, room)| (room.parse)(any, ctx)).collect();
    (bytes, compiled.into_iter().collect())
}
