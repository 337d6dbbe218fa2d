//! What the macros expand to calls of; not for use by hand.

use std::sync::Arc;

use nuncio_api as api;

use crate::span::Span;
use crate::tree::{Message, Value};
use crate::typed::from_value::mismatch;
use crate::typed::{Ctx, Refused};

/// `r#type` is the field `type`.
#[doc(hidden)]
pub const fn __plain_name(name: &'static str) -> &'static str {
    match name.as_bytes() {
        [b'r', b'#', ..] => name.split_at(2).1,
        _ => name,
    }
}

#[doc(hidden)]
pub fn __message_of<'v>(
    value: &'v Value,
    span: Span,
    ctx: &mut Ctx,
) -> Result<&'v Arc<Message>, Refused> {
    match value {
        Value::Message(message) => Ok(message),
        Value::Any(any) => Ok(&any.message),
        other => Err(mismatch(other, "a message", span, ctx)),
    }
}

#[doc(hidden)]
pub fn __enum_from_value<E: Copy>(
    name: &str,
    values: &[(&'static str, E)],
    value: &Value,
    span: Span,
    ctx: &mut Ctx,
) -> Result<E, Refused> {
    let Value::Enum(number) = value else {
        return Err(mismatch(value, "an enum value", span, ctx));
    };
    let written = api::enumeration(name)
        .and_then(|descriptor| descriptor.by_number(*number))
        .map(|value| value.name());
    let found = written.and_then(|written| values.iter().find(|(value, _)| *value == written));
    match found {
        Some((_, value)) => Ok(*value),
        None => {
            let shown = written.map_or_else(|| number.to_string(), str::to_owned);
            Err(ctx.unsupported_here(span, format_args!("value `{shown}` of `{name}`")))
        }
    }
}

#[doc(hidden)]
pub fn __enum_absent<E: Copy>(name: &str, values: &[(&'static str, E)]) -> Option<E> {
    let zero = api::enumeration(name)?.by_number(0)?.name();
    values
        .iter()
        .find(|(value, _)| *value == zero)
        .map(|(_, value)| *value)
}
