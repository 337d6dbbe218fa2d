//! The filter's messages, compiled once and shared by the workers.

use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_contract::state_object::Kind;
use nuncio_contract::state_value::{FilterStateValue, StateValue};

message! {
    /// The filter's config.
    pub(super) struct SetFilterState: "envoy.extensions.filters.network.set_filter_state.v3.Config" {
        on_new_connection: Vec<FilterStateValue>,
        on_downstream_tls_handshake: Vec<FilterStateValue>,
        on_downstream_data: Vec<FilterStateValue>,
    }
}

/// The objects of each moment, in order.
#[derive(Clone)]
pub(super) struct Values {
    /// When a connection begins.
    pub(super) at_start: Arc<[StateValue]>,
    /// Behind the handshake; without TLS at the start as well.
    pub(super) at_handshake: Arc<[StateValue]>,
    /// When the first bytes come.
    pub(super) at_data: Arc<[StateValue]>,
}

impl Values {
    pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Self, Refused> {
        let message: SetFilterState = any.decode(ctx)?;
        let at_start = StateValue::compile_all(&message.on_new_connection, ctx);
        let at_handshake = list(&message.on_downstream_tls_handshake, compile_late, ctx);
        let at_data = list(&message.on_downstream_data, compile_late, ctx);
        Ok(Values {
            at_start: at_start?.into(),
            at_handshake: at_handshake?,
            at_data: at_data?,
        })
    }
}

type Compile = fn(&FilterStateValue, &mut Ctx) -> Result<StateValue, Refused>;

fn list(
    values: &[FilterStateValue],
    compile: Compile,
    ctx: &mut Ctx,
) -> Result<Arc<[StateValue]>, Refused> {
    let compiled: Vec<_> = values.iter().map(|value| compile(value, ctx)).collect();
    compiled.into_iter().collect()
}

/// What comes behind the start is for filters and logs alone: a TCP proxy has looked at its objects by then.
fn compile_late(message: &FilterStateValue, ctx: &mut Ctx) -> Result<StateValue, Refused> {
    let value = StateValue::compile(message, ctx)?;
    match value.kind {
        Kind::Text => Ok(value),
        _ => {
            let what =
                "filter state of other kinds than `envoy.string` behind a connection's start";
            Err(ctx.unsupported_here(message.span(), what))
        }
    }
}
