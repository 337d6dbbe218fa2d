//! The trait that every typed value implements.

use crate::span::Span;
use crate::tree::{Entry, Message, Value};
use crate::typed::{Ctx, Refused, SupportTable};

/// A value that can be made from the message tree.
pub trait FromValue: Sized {
    /// Makes the value; what is wrong goes to `ctx`.
    fn from_value(value: &Value, span: Span, ctx: &mut Ctx) -> Result<Self, Refused>;

    /// The value of a field that is set; differs from [`FromValue::from_value`] where presence counts.
    fn from_entry(entry: &Entry, ctx: &mut Ctx) -> Result<Self, Refused> {
        Self::from_value(&entry.value, entry.span, ctx)
    }

    /// The value of a field that is not set; `None` when there is none, so that the field is required.
    fn absent() -> Option<Self> {
        None
    }

    /// The values of a repeated field; differs where a Rust `Vec` is something else (bytes, maps).
    fn list_from_value(value: &Value, span: Span, ctx: &mut Ctx) -> Result<Vec<Self>, Refused> {
        let Value::List(items) = value else {
            return Err(mismatch(value, "a list", span, ctx));
        };
        let mut list = Vec::with_capacity(items.len());
        for item in items {
            list.extend(Self::from_value(&item.value, item.span, ctx));
        }
        if list.len() == items.len() {
            Ok(list)
        } else {
            Err(Refused)
        }
    }

    /// Adds what is honoured of the API to the table, this type and those inside of it.
    fn support(table: &mut SupportTable) {
        let _ = table;
    }
}

/// Makes the value of a whole message: what a room calls with the message of its `typed_config`.
pub fn decode<T: FromValue>(
    message: &std::sync::Arc<Message>,
    ctx: &mut Ctx,
) -> Result<T, Refused> {
    T::from_value(
        &Value::Message(std::sync::Arc::clone(message)),
        message.span,
        ctx,
    )
}

/// Reports that the tree holds something else than the Rust type says; validation keeps this away.
pub(super) fn mismatch(value: &Value, expected: &str, span: Span, ctx: &mut Ctx) -> Refused {
    if !matches!(value, Value::Refused) {
        ctx.error(
            span,
            format!("expected {expected}, found {}", value.describe()),
        );
    }
    Refused
}
