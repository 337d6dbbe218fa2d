//! The bootstrap extensions that rooms know; that of internal listeners is the engine's (`listener/internal.rs`).

use std::sync::Arc;

use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_contract::bootstrap_extension::{
    BootstrapExtensionConfig, BootstrapExtensionRoom, BootstrapExtensionRooms,
};

use crate::config::BootstrapExtension;

/// The room of a message.
pub(crate) fn room(
    rooms: BootstrapExtensionRooms,
    any: &Any,
) -> Option<&'static BootstrapExtensionRoom> {
    let mut all = rooms.iter().copied().flatten();
    all.find(|room| room.message == any.type_name()).copied()
}

/// Those that rooms know, in order.
pub(super) fn compile(
    extensions: &[BootstrapExtension],
    rooms: BootstrapExtensionRooms,
    ctx: &mut Ctx,
) -> Result<Arc<[Arc<dyn BootstrapExtensionConfig>]>, Refused> {
    let configured = extensions
        .iter()
        .filter_map(|extension| extension.typed_config.as_ref());
    let known = configured.filter_map(|any| Some((any, room(rooms, any)?)));
    let compiled: Vec<_> = known.map(|(any, room)| (room.parse)(any, ctx)).collect();
    compiled.into_iter().collect()
}
