//! What `set_filter_state` filters of listeners, connections and requests share: an object of filter state that is made
//! of a format.
//!
//! Kinds of objects that nothing here reads are refused as not supported yet, and so is `shared_with_upstream`.

use nuncio_config::typed::{Ctx, Refused, Spanned};
use nuncio_config::{message, one_of};

use crate::formatter::{Format, FormatContext, SubstitutionFormatString};
use crate::state_object::Kind;
use crate::stream_info::FilterStateObject;

message! {
    /// An object.
    pub struct FilterStateValue: "envoy.extensions.filters.common.set_filter_state.v3.FilterStateValue" {
        oneof key: Key,
        factory_key: Spanned<String>,
        oneof value: Source,
        skip_if_empty: bool,
        inert read_only = "in Envoy too, such an object is replaced by the next one of its name",
    }
}

one_of! {
    /// What it is called.
    pub enum Key {
        object_key => Object(Spanned<String>),
    }
}

one_of! {
    /// What it is made of.
    pub enum Source {
        format_string => Format(SubstitutionFormatString),
    }
}

/// An object to be made.
pub struct StateValue {
    /// What it is called.
    pub name: Box<str>,
    /// What becomes of the text.
    pub kind: Kind,
    format: Format,
    skips_empty: bool,
}

impl StateValue {
    /// Compiles a list, in order.
    ///
    /// # Errors
    /// One of them is wrong or not supported.
    pub fn compile_all(values: &[FilterStateValue], ctx: &mut Ctx) -> Result<Vec<Self>, Refused> {
        let compiled: Vec<_> = values.iter().map(|it| Self::compile(it, ctx)).collect();
        compiled.into_iter().collect()
    }

    /// Compiles one.
    ///
    /// # Errors
    /// It is wrong or not supported.
    pub fn compile(message: &FilterStateValue, ctx: &mut Ctx) -> Result<Self, Refused> {
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
        Ok(StateValue {
            name: name.value.as_str().into(),
            kind: kind?,
            format: format?,
            skips_empty: message.skip_if_empty,
        })
    }

    /// The object of a stream or connection; none if there is nothing to make it of.
    pub fn make(&self, context: &FormatContext<'_>) -> Option<Box<dyn FilterStateObject>> {
        let mut text = Vec::new();
        self.format.format(context, &mut text);
        if text.is_empty() && self.skips_empty {
            return None;
        }
        self.kind.make(&String::from_utf8_lossy(&text))
    }
}
