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
    }
}

message! {
    /// An object.
    pub(super) struct FilterStateValue: "envoy.extensions.filters.common.set_filter_state.v3.FilterStateValue" {
        oneof key: Key,
        factory_key: Spanned<String>,
        oneof value: Source,
        skip_if_empty: bool,
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

/// The objects, in order.
#[derive(Clone)]
pub(super) struct Values(pub(super) Arc<[Value]>);

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
        let values = message.on_new_connection.iter();
        let values: Vec<_> = values.map(|value| Value::compile(value, ctx)).collect();
        Ok(Values(values.into_iter().collect::<Result<_, _>>()?))
    }
}

impl Value {
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
