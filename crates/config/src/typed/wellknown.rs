//! protobuf's well-known types and the message tree itself as typed values.

use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::span::Span;
use crate::tree::{Entry, Json, LONGEST_DURATION_SECONDS, Message, NANOS_PER_SECOND, Value};
use crate::typed::from_value::mismatch;
use crate::typed::{Ctx, FromValue, Refused, SupportTable};

/// A value with its place, for errors that a room finds later.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it stands; [`Span::NONE`] when it is a default.
    pub span: Span,
}

impl<T> Deref for Spanned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: FromValue> FromValue for Spanned<T> {
    fn from_value(value: &Value, span: Span, ctx: &mut Ctx) -> Result<Self, Refused> {
        T::from_value(value, span, ctx).map(|value| Spanned { value, span })
    }

    fn from_entry(entry: &Entry, ctx: &mut Ctx) -> Result<Self, Refused> {
        T::from_entry(entry, ctx).map(|value| Spanned {
            value,
            span: entry.span,
        })
    }

    fn absent() -> Option<Self> {
        T::absent().map(|value| Spanned {
            value,
            span: Span::NONE,
        })
    }

    fn support(table: &mut SupportTable) {
        T::support(table);
    }
}

/// A value that may have been refused while what stands around it is read on: for lists whose items do not
/// depend on each other.
#[derive(Clone, Debug)]
pub struct Attempt<T>(pub Result<T, Refused>);

impl<T: FromValue> FromValue for Attempt<T> {
    fn from_value(value: &Value, span: Span, ctx: &mut Ctx) -> Result<Self, Refused> {
        Ok(Attempt(T::from_value(value, span, ctx)))
    }

    fn support(table: &mut SupportTable) {
        T::support(table);
    }
}

/// `google.protobuf.Duration`; a negative one and one that is too long are refused, as Envoy does everywhere.
impl FromValue for Duration {
    fn from_value(value: &Value, span: Span, ctx: &mut Ctx) -> Result<Self, Refused> {
        let Value::Duration(seconds, nanos) = value else {
            return Err(mismatch(value, "a duration", span, ctx));
        };
        match (u64::try_from(*seconds), u32::try_from(*nanos)) {
            (Ok(seconds), Ok(nanos))
                if seconds <= LONGEST_DURATION_SECONDS && nanos < NANOS_PER_SECOND =>
            {
                Ok(Duration::new(seconds, nanos))
            }
            (Ok(_), Ok(_)) => {
                ctx.error(span, "the duration is out of range")
                    .envoy("Invalid duration: Duration out-of-range");
                Err(Refused)
            }
            _ => {
                ctx.error(span, "a duration may not be negative")
                    .envoy("Invalid duration: Expected positive duration");
                Err(Refused)
            }
        }
    }
}

/// `google.protobuf.Timestamp`.
impl FromValue for SystemTime {
    fn from_value(value: &Value, span: Span, ctx: &mut Ctx) -> Result<Self, Refused> {
        let Value::Timestamp(seconds, nanos) = value else {
            return Err(mismatch(value, "a time", span, ctx));
        };
        let distance = Duration::from_secs(seconds.unsigned_abs());
        let nanos = Duration::from_nanos(u64::try_from(*nanos).unwrap_or(0));
        let whole = if *seconds < 0 {
            UNIX_EPOCH.checked_sub(distance)
        } else {
            UNIX_EPOCH.checked_add(distance)
        };
        whole
            .and_then(|whole| whole.checked_add(nanos))
            .ok_or_else(|| {
                ctx.error(span, "the time is out of range");
                Refused
            })
    }
}

/// A message of any type, opened and validated but not decoded: the `typed_config` of a room.
#[derive(Clone, Debug)]
pub struct Any {
    /// The type URL: `type.googleapis.com/envoy...`; for a `TypedStruct` that of the type inside.
    pub type_url: Box<str>,
    /// The message inside.
    pub message: Arc<Message>,
    /// Where the `Any` stands.
    pub span: Span,
}

impl Any {
    /// The name of the message: the type URL after its last slash.
    pub fn type_name(&self) -> &str {
        self.type_url.rsplit('/').next().unwrap_or("")
    }

    /// Decodes the message inside.
    pub fn decode<T: FromValue>(&self, ctx: &mut Ctx) -> Result<T, Refused> {
        super::decode(&self.message, ctx)
    }
}

impl FromValue for Any {
    fn from_value(value: &Value, span: Span, ctx: &mut Ctx) -> Result<Self, Refused> {
        match value {
            Value::Any(any) => Ok(Any {
                type_url: any.type_url.clone(),
                message: Arc::clone(&any.message),
                span,
            }),
            other => Err(mismatch(other, "a message with `@type`", span, ctx)),
        }
    }
}

/// A message left in the tree, shared and not copied.
impl FromValue for Arc<Message> {
    fn from_value(value: &Value, span: Span, ctx: &mut Ctx) -> Result<Self, Refused> {
        match value {
            Value::Message(message) => Ok(Arc::clone(message)),
            Value::Any(any) => Ok(Arc::clone(&any.message)),
            other => Err(mismatch(other, "a message", span, ctx)),
        }
    }
}

/// `google.protobuf.Struct`, `Value` and `ListValue`, also as the message of a `typed_config`.
impl FromValue for Arc<Json> {
    fn from_value(value: &Value, span: Span, ctx: &mut Ctx) -> Result<Self, Refused> {
        match value {
            Value::Json(json) => Ok(Arc::clone(json)),
            Value::Message(message) => match message.get(1).map(|entry| &entry.value) {
                Some(Value::Json(json)) => Ok(Arc::clone(json)),
                _ => Err(mismatch(value, "a structure", span, ctx)),
            },
            other => Err(mismatch(other, "a structure", span, ctx)),
        }
    }
}

/// A value of which only the presence counts: a message in which nothing may be set, such as
/// `google.protobuf.Empty`, or a flag that may only be true.
impl FromValue for () {
    fn from_value(value: &Value, span: Span, ctx: &mut Ctx) -> Result<Self, Refused> {
        let message = match value {
            Value::Message(message) => message,
            Value::Bool(true) => return Ok(()),
            other => return Err(mismatch(other, "a message or `true`", span, ctx)),
        };
        for entry in message
            .entries()
            .iter()
            .filter(|entry| !entry.is_implicit_default())
        {
            let field = message.descriptor.field_by_number(entry.number);
            let name = field.map_or("?", |field| field.name());
            ctx.unsupported(
                entry.key_span(),
                format_args!("field `{name}` of `{}`", message.name()),
            );
        }
        Ok(())
    }
}

/// A message left in the tree, as a copy; prefer `Arc<Message>`.
impl FromValue for Message {
    fn from_value(value: &Value, span: Span, ctx: &mut Ctx) -> Result<Self, Refused> {
        Arc::<Message>::from_value(value, span, ctx).map(|message| (*message).clone())
    }
}
