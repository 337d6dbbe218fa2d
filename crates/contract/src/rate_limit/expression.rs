//! Entries by expressions of CEL: `envoy.rate_limit_descriptors.expr`.
//!
//! The value is the expression's as CEL shows it. Where it fails there is no descriptor, or no entry if that is wished.

use nuncio_config::typed::{Any, Ctx, FromValue, Refused, Spanned, SupportTable};
use nuncio_config::{message, one_of};

use super::action::Added;
use super::{Asked, Entry};
use crate::cel::{Attributes, Expression, Options, ParseOrBuild, print, refuse, v1alpha1};

/// The type of the message.
pub(super) const MESSAGE: &str = "envoy.extensions.rate_limit_descriptors.expr.v3.Descriptor";

/// Adds the message that stands behind an `Any`.
pub(crate) fn support(table: &mut SupportTable) {
    ExpressionMessage::support(table);
}

message! {
    /// An entry by an expression.
    pub struct ExpressionMessage: "envoy.extensions.rate_limit_descriptors.expr.v3.Descriptor" {
        descriptor_key: String,
        skip_if_error: bool,
        oneof expr_specifier: Option<ExpressionKind>,
    }
}

one_of! {
    /// The forms of an expression.
    pub enum ExpressionKind {
        text => Text(Spanned<String>),
        parsed => Parsed(v1alpha1::Expr),
    }
}

/// The same, compiled.
#[derive(Debug)]
pub(super) struct ExpressionEntry {
    key: Box<str>,
    skip_if_error: bool,
    expression: Expression,
}

impl ExpressionEntry {
    pub(super) fn compile(any: &Any, ctx: &mut Ctx) -> Result<Self, Refused> {
        let message: ExpressionMessage = any.decode(ctx)?;
        let expression = match &message.expr_specifier {
            None => {
                let text =
                    "Rate limit descriptor extension failed: expression specifier is not set";
                ctx.error(any.span, text);
                return Err(Refused);
            }
            Some(ExpressionKind::Parsed(expr)) => {
                Expression::of(expr.tree(), Options::default(), any.span, ctx)?
            }
            Some(ExpressionKind::Text(text)) => {
                let parsed = Expression::parse(&text.value, Options::default());
                parsed.map_err(|why| match why {
                    ParseOrBuild::Parse(words) => {
                        let words = format!(
                            "Unable to parse descriptor expression: INVALID_ARGUMENT: {words}"
                        );
                        ctx.error(text.span, words);
                        Refused
                    }
                    ParseOrBuild::Build(why) => refuse(why, text.span, ctx),
                })?
            }
        };
        Ok(ExpressionEntry {
            key: message.descriptor_key.as_str().into(),
            skip_if_error: message.skip_if_error,
            expression,
        })
    }

    /// What it adds of a request.
    pub(super) fn of(&self, asked: &Asked<'_>) -> Added {
        let value = self.expression.evaluate(&Attributes {
            info: asked.info,
            request: Some(asked.request),
            response: None,
            trailers: None,
            services: Some(asked.services),
            lacks_response: None,
        });
        let entry = value.map(|value| Entry::new(self.key.clone(), &print(&value)));
        Added::or_absent(entry, self.skip_if_error)
    }
}
