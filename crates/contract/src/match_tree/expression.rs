//! `CelMatcher`: an expression of CEL over `HttpAttributesCelMatchInput`. It knows nothing of the process, as in Envoy.
//! What is not true, and has asked for a response that is not there yet, decides nothing.

use std::cell::Cell;

use nuncio_config::message;
use nuncio_config::typed::{Ctx, FromValue, Refused, SupportTable};

use super::MatchData;
use super::message::Extension;
use super::predicate::Truth;
use crate::cel::{Attributes, CelExpression, Expression};

const CEL: &str = "xds.type.matcher.v3.CelMatcher";

message! {
    /// An expression that is true for what matches.
    pub(super) struct CelMatcher: "xds.type.matcher.v3.CelMatcher" {
        pub(super) expr_match: CelExpression,
        inert description = "it is for people",
    }
}

/// Adds the matcher.
pub(super) fn support(table: &mut SupportTable) {
    CelMatcher::support(table);
}

/// Whether a matcher is an expression.
pub(super) fn is_one(extension: &Extension) -> bool {
    extension.typed_config.type_name() == CEL
}

/// Compiles the expression of a matcher that [is one](is_one).
pub(super) fn compile(extension: &Extension, ctx: &mut Ctx) -> Result<Expression, Refused> {
    let matcher: CelMatcher = extension.typed_config.decode(ctx)?;
    matcher.expr_match.compile(ctx)
}

/// What an expression says.
pub(super) fn holds(expression: &Expression, data: &MatchData<'_>) -> Truth {
    let lacks_response = Cell::new(false);
    let attributes = Attributes {
        info: data.info,
        request: data.request,
        response: data.response,
        trailers: data.response_trailers,
        services: None,
        lacks_response: Some(&lacks_response),
    };
    match expression.matches(&attributes) {
        true => Truth::True,
        false if lacks_response.get() => Truth::Unknown,
        false => Truth::False,
    }
}
