//! Scalars, strings and collections as typed values.

use std::sync::Arc;

use crate::span::Span;
use crate::tree::{Entry, Value};
use crate::typed::from_value::mismatch;
use crate::typed::{Ctx, FromValue, Refused, SupportTable};

impl FromValue for bool {
    fn from_value(value: &Value, span: Span, ctx: &mut Ctx) -> Result<Self, Refused> {
        match value {
            Value::Bool(value) => Ok(*value),
            other => Err(mismatch(other, "a boolean", span, ctx)),
        }
    }

    fn absent() -> Option<Self> {
        Some(false)
    }
}

macro_rules! integers {
    ($($type:ty),*) => {$(
        impl FromValue for $type {
            fn from_value(value: &Value, span: Span, ctx: &mut Ctx) -> Result<Self, Refused> {
                let converted = match value {
                    Value::I64(value) => <$type>::try_from(*value).ok(),
                    Value::U64(value) => <$type>::try_from(*value).ok(),
                    other => return Err(mismatch(other, "a number", span, ctx)),
                };
                converted.ok_or_else(|| {
                    ctx.error(span, concat!("the number does not fit ", stringify!($type)));
                    Refused
                })
            }

            fn absent() -> Option<Self> {
                Some(0)
            }
        }
    )*};
}
integers!(u16, u32, u64, usize, i32, i64);

impl FromValue for f64 {
    fn from_value(value: &Value, span: Span, ctx: &mut Ctx) -> Result<Self, Refused> {
        match value {
            Value::F64(value) => Ok(*value),
            other => Err(mismatch(other, "a number", span, ctx)),
        }
    }

    fn absent() -> Option<Self> {
        Some(0.0)
    }
}

impl FromValue for f32 {
    #[allow(
        clippy::cast_possible_truncation,
        reason = "the API says that the field is a float"
    )]
    fn from_value(value: &Value, span: Span, ctx: &mut Ctx) -> Result<Self, Refused> {
        f64::from_value(value, span, ctx).map(|value| value as f32)
    }

    fn absent() -> Option<Self> {
        Some(0.0)
    }
}

macro_rules! strings {
    ($($type:ty),*) => {$(
        impl FromValue for $type {
            fn from_value(value: &Value, span: Span, ctx: &mut Ctx) -> Result<Self, Refused> {
                match value {
                    Value::String(text) => Ok(<$type>::from(&**text)),
                    other => Err(mismatch(other, "a string", span, ctx)),
                }
            }

            fn absent() -> Option<Self> {
                Some(<$type>::from(""))
            }
        }
    )*};
}
strings!(String, Box<str>, Arc<str>);

/// Bytes: only as `Vec<u8>`.
impl FromValue for u8 {
    fn from_value(value: &Value, span: Span, ctx: &mut Ctx) -> Result<Self, Refused> {
        Err(mismatch(value, "bytes", span, ctx))
    }

    fn list_from_value(value: &Value, span: Span, ctx: &mut Ctx) -> Result<Vec<Self>, Refused> {
        match value {
            Value::Bytes(bytes) => Ok(bytes.to_vec()),
            other => Err(mismatch(other, "bytes", span, ctx)),
        }
    }
}

/// A map: only as `Vec<(String, T)>`, in the order of the text.
impl<T: FromValue> FromValue for (String, T) {
    fn from_value(value: &Value, span: Span, ctx: &mut Ctx) -> Result<Self, Refused> {
        Err(mismatch(value, "a map", span, ctx))
    }

    fn list_from_value(value: &Value, span: Span, ctx: &mut Ctx) -> Result<Vec<Self>, Refused> {
        let Value::Map(items) = value else {
            return Err(mismatch(value, "a map", span, ctx));
        };
        let mut list = Vec::with_capacity(items.len());
        for item in items {
            if let Ok(value) = T::from_value(&item.value, item.span, ctx) {
                list.push((String::from(&*item.key), value));
            }
        }
        if list.len() == items.len() {
            Ok(list)
        } else {
            Err(Refused)
        }
    }

    fn support(table: &mut SupportTable) {
        T::support(table);
    }
}

impl<T: FromValue> FromValue for Vec<T> {
    fn from_value(value: &Value, span: Span, ctx: &mut Ctx) -> Result<Self, Refused> {
        T::list_from_value(value, span, ctx)
    }

    fn absent() -> Option<Self> {
        Some(Vec::new())
    }

    fn support(table: &mut SupportTable) {
        T::support(table);
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: &Value, span: Span, ctx: &mut Ctx) -> Result<Self, Refused> {
        T::from_value(value, span, ctx).map(Some)
    }

    fn from_entry(entry: &Entry, ctx: &mut Ctx) -> Result<Self, Refused> {
        if entry.is_implicit_default() {
            return Ok(None);
        }
        T::from_entry(entry, ctx).map(Some)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }

    fn support(table: &mut SupportTable) {
        T::support(table);
    }
}

impl<T: FromValue> FromValue for Box<T> {
    fn from_value(value: &Value, span: Span, ctx: &mut Ctx) -> Result<Self, Refused> {
        T::from_value(value, span, ctx).map(Box::new)
    }

    fn from_entry(entry: &Entry, ctx: &mut Ctx) -> Result<Self, Refused> {
        T::from_entry(entry, ctx).map(Box::new)
    }

    fn absent() -> Option<Self> {
        T::absent().map(Box::new)
    }

    fn support(table: &mut SupportTable) {
        T::support(table);
    }
}
