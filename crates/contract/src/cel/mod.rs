//! CEL: expressions over what is known of a stream, as access logs, formats, access control and matchers ask them.
//!
//! An expression is compiled once, from a text or from the messages of its tree, and run where it is asked. It is what
//! it is in Envoy: no macros that go through lists, no texts that are joined or made but where the configuration
//! allows it, numbers that compare by value, attributes that are not there fail, and what fails matches nothing.
//!
//! Limits: 100,000 bytes of text, nested 100 deep; patterns of about 100 instructions. What an expression costs is
//! bounded by its length and by what it looks at. Refused as not supported yet: messages that are made
//! (`google.protobuf.Duration{...}`), and the attributes that [`Root::is_missing`](attributes::Root) lists.
//!
//! Follows Envoy's page "Attributes" and the language definition of CEL.

mod arithmetic;
mod ast;
mod attribute;
mod attributes;
mod condition;
mod evaluate;
mod functions;
mod lexer;
mod message;
mod options;
mod parser;
mod pattern;
mod print;
mod program;
mod property;
mod relations;
#[cfg(test)]
mod tests;
mod time;
mod value;

use std::sync::Arc;

use nuncio_config::span::Span;
use nuncio_config::typed::{Ctx, Refused};

pub use attribute::{AttributeExpression, AttributeValue};
pub(crate) use attributes::Attributes;
pub use condition::RequestCondition;
pub use message::CelExpression;
pub(crate) use message::v1alpha1;
pub use options::CelExpressionConfig;
pub(crate) use options::Options;
pub(crate) use print::print;
pub(crate) use program::Refusal;
pub use property::{NoProperty, Pairs, PropertyContext, PropertyExpression};
pub use time::parse_timestamp;
pub(crate) use time::{json_duration, json_timestamp};
pub(crate) use value::{LOCALITY, List, Map, Message, Value};

/// A compiled expression. Cheap to copy.
#[derive(Clone, Debug)]
pub(crate) struct Expression(Arc<program::Node>);

impl Expression {
    /// Compiles a text; `Err` tells what Envoy says of one that cannot be parsed, or why it cannot be built.
    pub(crate) fn parse(text: &str, options: Options) -> Result<Self, ParseOrBuild> {
        let expr = parser::parse(text).map_err(ParseOrBuild::Parse)?;
        Self::build(&expr, options).map_err(ParseOrBuild::Build)
    }

    /// Compiles the tree of a message.
    pub(crate) fn of(
        tree: Option<ast::Expr>,
        options: Options,
        span: Span,
        ctx: &mut Ctx,
    ) -> Result<Self, Refused> {
        let empty =
            || Refusal::Wrong("failed to create an expression: Invalid empty expression".into());
        let built = tree
            .ok_or_else(empty)
            .and_then(|tree| Self::build(&tree, options));
        built.map_err(|why| refuse(why, span, ctx))
    }

    fn build(expr: &ast::Expr, options: Options) -> Result<Self, Refusal> {
        let node = program::plan(expr, options).map_err(|why| match why {
            Refusal::Wrong(words) => {
                Refusal::Wrong(format!("failed to create an expression: {words}"))
            }
            other => other,
        })?;
        Ok(Expression(Arc::new(node)))
    }

    /// Its value for a stream; none where it fails.
    pub(crate) fn evaluate<'a>(&'a self, attributes: &Attributes<'a>) -> Option<Value<'a>> {
        self.0.evaluate(attributes).ok()
    }

    /// Whether it is true for a stream.
    pub(crate) fn matches(&self, attributes: &Attributes<'_>) -> bool {
        matches!(self.evaluate(attributes), Some(Value::Bool(true)))
    }
}

/// Why a text is refused.
#[derive(Clone, Debug)]
pub(crate) enum ParseOrBuild {
    /// It is no expression.
    Parse(String),
    /// It cannot be built.
    Build(Refusal),
}

/// Tells of an expression that cannot be built, at its place.
pub(crate) fn refuse(why: Refusal, span: Span, ctx: &mut Ctx) -> Refused {
    match why {
        Refusal::Wrong(words) => {
            ctx.error(span, words);
            Refused
        }
        Refusal::NotYet(what) => ctx.unsupported_here(span, what),
    }
}
