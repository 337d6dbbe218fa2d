//! Filters that are extensions: expressions of CEL. `process_ratelimit` is refused as not supported yet.

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, FromValue, Refused, Spanned, SupportTable};

use crate::cel::{Attributes, CelExpressionConfig, Expression, Options, ParseOrBuild, refuse};
use crate::formatter::FormatContext;

const CEL: &str = "envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter";
/// What Envoy has besides.
const NOT_YET: &str =
    "envoy.extensions.access_loggers.filters.process_ratelimit.v3.ProcessRateLimitFilter";

/// Adds the messages that stand behind an `Any`.
pub(crate) fn support(table: &mut SupportTable) {
    ExpressionFilter::support(table);
}

message! {
    /// A filter of another kind.
    pub struct ExtensionFilter: "envoy.config.accesslog.v3.ExtensionFilter" {
        pub(crate) name: Spanned<String>,
        pub(crate) typed_config: Option<Any>,
    }
}

message! {
    /// An expression that is true for what is logged.
    pub struct ExpressionFilter: "envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter" {
        pub(crate) expression: Spanned<String>,
        pub(crate) cel_config: Option<CelExpressionConfig>,
    }
}

/// Compiles a filter, an expression so far.
pub(super) fn compile(filter: &ExtensionFilter, ctx: &mut Ctx) -> Result<Expression, Refused> {
    let name = &filter.name;
    let Some(any) = &filter.typed_config else {
        let text = format!(
            "Didn't find a registered implementation for '{}' with type URL: ''",
            name.value
        );
        ctx.error(name.span, text);
        return Err(Refused);
    };
    match any.type_name() {
        CEL => expression(&any.decode(ctx)?, ctx),
        NOT_YET => {
            Err(ctx.unsupported_here(any.span, format!("the access log filter `{NOT_YET}`")))
        }
        other => {
            let text = format!(
                "Didn't find a registered implementation for '{}' with type URL: '{other}'",
                name.value
            );
            ctx.error(any.span, text);
            Err(Refused)
        }
    }
}

fn expression(filter: &ExpressionFilter, ctx: &mut Ctx) -> Result<Expression, Refused> {
    let options = Options::of(filter.cel_config.as_ref());
    let (text, span) = (&filter.expression.value, filter.expression.span);
    Expression::parse(text, options).map_err(|why| match why {
        ParseOrBuild::Parse(words) => {
            let text = format!("Not able to parse filter expression: INVALID_ARGUMENT: {words}");
            ctx.error(span, text);
            Refused
        }
        ParseOrBuild::Build(why) => refuse(why, span, ctx),
    })
}

/// Whether the stream is to be logged.
pub(super) fn matches(expression: &Expression, context: &FormatContext<'_>) -> bool {
    expression.matches(&Attributes {
        info: context.stream_info,
        request: context.request_headers,
        response: context.response_headers,
        trailers: context.response_trailers,
        services: Some(context.services),
        lacks_response: None,
    })
}
