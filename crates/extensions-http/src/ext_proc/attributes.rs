//! Attributes of a stream, which are any expressions of CEL, as texts, numbers and truths under the expression's own text.
//! One that fails is left out. Maps and lists are told as Envoy tells them, by a word.

use std::collections::BTreeMap;

use nuncio_config::typed::{Ctx, Refused, Spanned};
use nuncio_contract::cel::{AttributeExpression, AttributeValue};
use nuncio_contract::headers::HeaderMap;
use nuncio_contract::http_filter::FilterContext;
use nuncio_contract::service_values::text;
use nuncio_service_messages::common::{Kind, Struct, Value};

/// An attribute.
#[derive(Clone, Debug)]
pub(super) struct Attribute {
    name: String,
    expression: AttributeExpression,
}

impl Attribute {
    /// The attribute that an expression is.
    pub(super) fn of(name: &Spanned<String>, ctx: &mut Ctx) -> Result<Self, Refused> {
        Ok(Attribute {
            name: name.value.clone(),
            expression: AttributeExpression::compile(name, ctx)?,
        })
    }

    fn look(&self, context: &FilterContext<'_>, response: Option<&HeaderMap>) -> Option<Kind> {
        let (info, request) = (&context.stream_info, &context.request_headers);
        let value = self
            .expression
            .evaluate(info, request, response, context.services)?;
        Some(match value {
            AttributeValue::Bool(value) => Kind::Bool(value),
            AttributeValue::Number(value) => Kind::Number(value),
            AttributeValue::Text(value) => Kind::String(text(&value)),
        })
    }
}

/// The attributes that the stream has, under the filter's name; nothing where it has none. There is no response before
/// it has come.
pub(super) fn told(
    attributes: &[Attribute],
    context: &FilterContext<'_>,
    response: Option<&HeaderMap>,
) -> BTreeMap<String, Struct> {
    let found: BTreeMap<_, _> = attributes
        .iter()
        .filter_map(|attribute| {
            let kind = Some(attribute.look(context, response)?);
            Some((attribute.name.clone(), Value { kind }))
        })
        .collect();
    let mut all = BTreeMap::new();
    if !found.is_empty() {
        let name = super::ROOM.name.to_owned();
        all.insert(name, Struct { fields: found });
    }
    all
}
