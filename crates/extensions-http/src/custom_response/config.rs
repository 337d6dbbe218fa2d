//! The messages of the custom response filter.

use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, Refused, Spanned};
use nuncio_contract::data_source::DataSource;
use nuncio_contract::formatter::{Format, SubstitutionFormatString};
use nuncio_contract::header_mutation::{HeaderMutations, HeaderValueOption};
use nuncio_contract::http_filter::HttpFilterConfig;
use nuncio_contract::level_config::LevelConfig;
use nuncio_contract::match_tree::{
    Extension, MatchContext, MatchTree, MatcherMessage, unknown_extension,
};
use nuncio_contract::registry::RouteFilterConfig;

const LOCAL: &str =
    "envoy.extensions.http.custom_response.local_response_policy.v3.LocalResponsePolicy";
const REDIRECT: &str = "envoy.extensions.http.custom_response.redirect_policy.v3.RedirectPolicy";
const BODY_LIMIT_BYTES: usize = 1 << 20;

message! {
    /// The filter's config, and a route's.
    pub(super) struct CustomResponse: "envoy.extensions.filters.http.custom_response.v3.CustomResponse" {
        custom_response_matcher: Option<MatcherMessage>,
    }
}

message! {
    /// An answer from the configuration.
    pub(super) struct LocalResponsePolicy: "envoy.extensions.http.custom_response.local_response_policy.v3.LocalResponsePolicy" {
        body: Option<DataSource>,
        body_format: Option<SubstitutionFormatString>,
        response_headers_to_add: Vec<HeaderValueOption>,
        status_code: Option<Spanned<u32>>,
    }
}

/// A compiled config.
pub(super) struct Policies(pub(super) Option<MatchTree<Policy>>);

/// A compiled policy.
pub(super) struct Policy {
    pub(super) body: Vec<u8>,
    /// What the body becomes. Its content type does not count, as in Envoy.
    pub(super) format: Option<Format>,
    pub(super) headers: Option<Arc<HeaderMutations>>,
    /// The status; none for the response's own.
    pub(super) status: Option<u16>,
}

/// The chain's config, shared by the workers.
pub(super) struct ChainConfig(pub(super) Arc<Policies>);

impl LevelConfig for Policies {}

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn HttpFilterConfig>, Refused> {
    let policies = Policies::compile(&any.decode(ctx)?, ctx)?;
    Ok(Arc::new(ChainConfig(Arc::new(policies))))
}

pub(super) fn parse_per_route(any: &Any, ctx: &mut Ctx) -> Result<RouteFilterConfig, Refused> {
    Ok(Arc::new(Policies::compile(&any.decode(ctx)?, ctx)?))
}

impl Policies {
    fn compile(message: &CustomResponse, ctx: &mut Ctx) -> Result<Self, Refused> {
        let matcher = message.custom_response_matcher.as_ref();
        let tree = matcher.map(|matcher| MatchTree::compile(matcher, &mut Actions(ctx)));
        tree.transpose().map(Policies)
    }
}

/// Compiles the actions of a tree.
struct Actions<'c>(&'c mut Ctx);

impl MatchContext for Actions<'_> {
    type Action = Policy;

    fn ctx(&mut self) -> &mut Ctx {
        self.0
    }

    fn action(&mut self, action: &Extension) -> Result<Policy, Refused> {
        let any = &action.typed_config;
        match any.type_name() {
            LOCAL => Policy::compile(&any.decode(self.0)?, self.0),
            REDIRECT => Err(self
                .0
                .unsupported_here(any.span, format!("the policy `{REDIRECT}`"))),
            _ => Err(unknown_extension(action, self.0)),
        }
    }
}

impl Policy {
    fn compile(message: &LocalResponsePolicy, ctx: &mut Ctx) -> Result<Self, Refused> {
        let body = match &message.body {
            Some(source) => source.read(BODY_LIMIT_BYTES, ctx),
            None => Ok(Vec::new()),
        };
        let format = message
            .body_format
            .as_ref()
            .map(|format| format.compile(ctx));
        let headers = HeaderMutations::compile(&message.response_headers_to_add, &[], ctx)?;
        let status = message.status_code.as_ref().map(|status| {
            u16::try_from(status.value).map_err(|_| {
                ctx.error(status.span, "a status is a number from 100 to 599");
                Refused
            })
        });
        Ok(Policy {
            body: body?,
            format: format.transpose()?,
            headers: (!headers.is_empty()).then(|| Arc::new(headers)),
            status: status.transpose()?,
        })
    }
}
