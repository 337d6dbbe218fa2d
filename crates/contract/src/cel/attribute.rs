//! Expressions whose values others are told of: as truths, numbers or texts.

use nuncio_config::typed::{Ctx, Refused, Spanned};

use super::{Attributes, Expression, Options, ParseOrBuild, Value, print, refuse};
use crate::headers::HeaderMap;
use crate::services::WorkerServices;
use crate::stream_info::StreamInfo;

/// A compiled expression.
#[derive(Clone, Debug)]
pub struct AttributeExpression(Expression);

/// What it is for a stream.
#[derive(Clone, Debug, PartialEq)]
pub enum AttributeValue {
    /// True or false.
    Bool(bool),
    /// A whole one; others are texts, as in Envoy.
    Number(f64),
    /// All else, as `%CEL(...)%` shows it.
    Text(Vec<u8>),
}

impl AttributeExpression {
    /// Compiles an expression; what is wrong with it is reported at its place.
    ///
    /// # Errors
    /// If it cannot be used.
    pub fn compile(text: &Spanned<String>, ctx: &mut Ctx) -> Result<Self, Refused> {
        match Expression::parse(&text.value, Options::default()) {
            Ok(expression) => Ok(AttributeExpression(expression)),
            Err(ParseOrBuild::Parse(words)) => {
                let words =
                    format!("Unable to parse descriptor expression: INVALID_ARGUMENT: {words}");
                ctx.error(text.span, words);
                Err(Refused)
            }
            Err(ParseOrBuild::Build(why)) => Err(refuse(why, text.span, ctx)),
        }
    }

    /// Its value for a stream; none where it fails.
    pub fn evaluate(
        &self,
        info: &StreamInfo,
        request: &HeaderMap,
        response: Option<&HeaderMap>,
        services: &dyn WorkerServices,
    ) -> Option<AttributeValue> {
        let value = self.0.evaluate(&Attributes {
            info,
            request: Some(request),
            response,
            trailers: None,
            services: Some(services),
            lacks_response: None,
        })?;
        Some(match value {
            Value::Bool(value) => AttributeValue::Bool(value),
            Value::Int(number) => AttributeValue::Number(number as f64),
            Value::Uint(number) => AttributeValue::Number(number as f64),
            other => AttributeValue::Text(print(&other)),
        })
    }
}
