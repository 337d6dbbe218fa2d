//! Listeners inside of the process (`internal_listener`): they have no address; hosts are connections to them
//! (`envoy_internal_address`), which are served on the worker that opens them.
//!
//! On the main thread nobody listens, so that health checks of such a host fail, as in Envoy.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_contract::stream_info::Address;
use nuncio_net::internal;

use super::accept::begin;
use super::gate::Gate;
use crate::config::BootstrapExtension;

const MESSAGE: &str = "envoy.extensions.bootstrap.internal_listener.v3.InternalListener";

message! {
    /// What concerns all of them.
    pub(crate) struct InternalListener: "envoy.extensions.bootstrap.internal_listener.v3.InternalListener" {
        buffer_size_kb: Option<u32>,
    }
}

/// What the bootstrap's extensions come to: how many bytes a connection inside of the process holds in a direction, if
/// they say so. An extension that is not this one is refused.
pub(crate) fn buffer_bytes(
    extensions: &[BootstrapExtension],
    is_of_a_room: impl Fn(&Any) -> bool,
    ctx: &mut Ctx,
) -> Option<usize> {
    let mut bytes = None;
    for extension in extensions {
        let Some(any) = &extension.typed_config else {
            let name = &extension.name;
            let what = format!(
                "bootstrap extension `{}` without `typed_config`",
                name.value
            );
            ctx.unsupported(name.span, what);
            continue;
        };
        if is_of_a_room(any) {
            continue;
        }
        // What is wrong with one was told.
        bytes = of_extension(any, ctx).unwrap_or_default().or(bytes);
    }
    bytes
}

fn of_extension(any: &Any, ctx: &mut Ctx) -> Result<Option<usize>, Refused> {
    if any.type_name() != MESSAGE {
        let what = format!("the bootstrap extension `{}`", any.type_name());
        return Err(ctx.unsupported_here(any.span, what));
    }
    let message: InternalListener = any.decode(ctx)?;
    let kibibytes = message.buffer_size_kb.map(usize::try_from);
    Ok(kibibytes
        .and_then(Result::ok)
        .map(|size| size.saturating_mul(1024)))
}

/// From now on connections to this name go through the gate of the moment.
pub(super) fn listen(name: &Arc<str>, current: &Rc<RefCell<Rc<Gate>>>) {
    let current = Rc::downgrade(current);
    let accept = move |incoming: internal::Incoming| {
        let Some(current) = current.upgrade() else {
            return;
        };
        let gate = Rc::clone(&current.borrow());
        let ends = (
            Address::internal_client(),
            Some(Address::Internal(incoming.to)),
        );
        begin(gate, incoming.stream, ends, incoming.metadata);
    };
    internal::listen(name, Rc::new(accept));
}

/// From now on nobody listens there.
pub(super) fn close(name: &str) {
    internal::close(name);
}
