//! Names in runtime as typed values: handles, resolved where the context says.

use crate::runtime::RuntimeKey;
use crate::span::Span;
use crate::tree::Value;
use crate::typed::{Ctx, FromValue, Refused};

impl FromValue for RuntimeKey {
    fn from_value(value: &Value, span: Span, ctx: &mut Ctx) -> Result<Self, Refused> {
        let name = String::from_value(value, span, ctx)?;
        Ok(ctx.runtime.key(&name))
    }

    fn absent() -> Option<Self> {
        Some(RuntimeKey::default())
    }
}
