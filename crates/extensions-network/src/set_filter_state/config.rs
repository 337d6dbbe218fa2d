//! The filter's messages, compiled once and shared by the workers.

use std::sync::Arc;

use nuncio_config::typed::{Any, Ctx, Refused, Spanned};
use nuncio_config::{message, one_of};
use nuncio_contract::formatter::{Format, SubstitutionFormatString};

use super::objects::Kind;

message! {
    /// The filter's config.
    pub(super) struct SetFilterState: "envoy.extensions.filters.network.set_filter_state.v3.Config" {
        on_new_connection: Vec<FilterStateValue>,
        on_downstream_tls_handshake: Vec<FilterStateValue>,
        on_downstream_data: Vec<FilterStateValue>,
    }
}

message! {
    /// An object.
    pub(super) struct FilterStateValue: "envoy.extensions.filters.common.set_filter_state.v3.FilterStateValue" {
        oneof key: Key,
        factory_key: Spanned<String>,
        oneof value: Source,
        skip_if_empty: bool,
        inert read_only = "in Envoy too, such an object is replaced by the next one of its name",
    }
}

one_of! {
    /// What it is called.
    pub(super) enum Key {
        object_key => Object(Spanned<String>),
    }
}

one_of! {
    /// What it is made of.
    pub(super) enum Source {
        format_string => Format(SubstitutionFormatString),
    }
}

/// The objects of each moment, in order.
#[derive(Clone)]
pub(super) struct Values {
    /// When a connection begins.
    pub(super) at_start: Arc<[Value]>,
    /// Behind the handshake; without TLS at the start as well.
    pub(super) at_handshake: Arc<[Value]>,
    /// When the first bytes come.
    pub(super) at_data: Arc<[Value]>,
}

/// An object to be made.
pub(super) struct Value {
    pub(super) name: Box<str>,
    pub(super) kind: Kind,
    pub(super) format: Format,
    pub(super) skips_empty: bool,
}

impl Values {
    pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Self, Refused> {
        let message: SetFilterState = any.decode(ctx)?;
        let at_start = list(&message.on_new_connection, Value::compile, ctx);
        let at_handshake = list(
            &message.on_downstream_tls_handshake,
            Value::compile_late,
            ctx,
        );
        let at_data = list(&message.on_downstream_data, Value::compile_late, ctx);
        Ok(Values {
            at_start: at_start?,
            at_handshake: at_handshake?,
            at_data: at_data?,
        })
    }
}

type Compile = fn(&FilterStateValue, &mut Ctx) -> Result<Value, Refused>;

fn list(
    values: &[FilterStateValue],
    compile: Compile,
    ctx: &mut Ctx,
) -> Result<Arc<[Value]>, Refused> {
    let compiled: Vec<_> = values.iter().map(|value| compile(value, ctx)).collect();
    compiled.into_iter().collect()
}

impl Value {
    /// What comes behind the start is for filters and logs alone: a TCP proxy has looked at its objects by then.
    fn compile_late(message: &FilterStateValue, ctx: &mut Ctx) -> Result<Self, Refused> {
        let value = Self::compile(message, ctx)?;
        match value.kind {
            Kind::Text => Ok(value),
            _ => {
                let what =
                    "filter state of other kinds than `envoy.string` behind a connection's start";
                Err(ctx.unsupported_here(message.span(), what))
            }
        }
    }

    fn compile(message: &FilterStateValue, ctx: &mut Ctx) -> Result<Self, Refused> {
        let Key::Object(name) = &message.key;
        let maker = match message.factory_key.value.as_str() {
            "" => name,
            _ => &message.factory_key,
        };
        let kind = match Kind::named(&maker.value) {
            Some(kind) => Ok(kind),
            None if maker.value.starts_with("envoy.") => {
                let what = format!("filter state of the kind `{}`", maker.value);
                Err(ctx.unsupported_here(maker.span, what))
            }
            None => {
                let text = format!("'{}' does not have an object factory", maker.value);
                ctx.error(maker.span, text);
                Err(Refused)
            }
        };
        let Source::Format(format) = &message.value;
        let format = format.compile(ctx);
        Ok(Value {
            name: name.value.as_str().into(),
            kind: kind?,
            format: format?,
            skips_empty: message.skip_if_empty,
        })
    }
}
