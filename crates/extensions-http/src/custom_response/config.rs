//! The messages of the custom response filter.

use std::sync::Arc;

use nuncio_config::typed::{Any, Ctx, Refused, Spanned};
use nuncio_config::{message, one_of};
use nuncio_contract::data_source::DataSource;
use nuncio_contract::formatter::{Format, SubstitutionFormatString};
use nuncio_contract::header_mutation::{HeaderMutations, HeaderValueOption};
use nuncio_contract::http_filter::HttpFilterConfig;
use nuncio_contract::level_config::LevelConfig;
use nuncio_contract::match_tree::{
    Extension, MatchContext, MatchTree, MatcherMessage, unknown_extension,
};
use nuncio_contract::matching::RegexMatchAndSubstitute;
use nuncio_contract::new_location::NewLocation;
use nuncio_contract::registry::RouteFilterConfig;
use nuncio_contract::stats::Scope;

use super::redirect::{self, CustomResponseStats, NewPath, Redirect, Target};

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
        oneof response_code_details_action: Option<DetailsAction>,
    }
}

one_of! {
    /// What logs are told.
    pub(super) enum DetailsAction {
        response_code_details => Given(String),
        preserve_response_code_details => Preserved(bool),
    }
}

message! {
    /// An answer from elsewhere.
    pub(super) struct RedirectPolicy: "envoy.extensions.http.custom_response.redirect_policy.v3.RedirectPolicy" {
        oneof redirect_action_specifier: Option<Specifier>,
        status_code: Option<Spanned<u32>>,
        response_headers_to_add: Vec<HeaderValueOption>,
        request_headers_to_add: Vec<HeaderValueOption>,
        modify_request_headers_action: Option<ModifyAction>,
    }
}

one_of! {
    /// Where that is.
    enum Specifier {
        uri => Uri(Spanned<String>),
        redirect_action => Action(RedirectAction),
    }
}

message! {
    /// What changes the head of the request; Envoy has none.
    struct ModifyAction: "envoy.config.core.v3.TypedExtensionConfig" {
        name: String,
        typed_config: Any,
    }
}

message! {
    /// The parts of the location that are others. The status is not among those that count.
    struct RedirectAction: "envoy.config.route.v3.RedirectAction" {
        oneof scheme_rewrite_specifier: Option<SchemeRewrite>,
        host_redirect: String,
        port_redirect: u32,
        oneof path_rewrite_specifier: Option<PathRedirect>,
        strip_query: bool,
    }
}

one_of! {
    /// The scheme of the location.
    enum SchemeRewrite {
        https_redirect => Https(bool),
        scheme_redirect => Scheme(String),
    }
}

one_of! {
    /// The path of the location.
    enum PathRedirect {
        path_redirect => Path(Spanned<String>),
        prefix_rewrite => Prefix(Spanned<String>),
        regex_rewrite => Regex(RegexMatchAndSubstitute),
        path_rewrite => Format(Spanned<String>),
    }
}

/// A compiled config.
pub(super) struct Policies {
    pub(super) tree: Option<MatchTree<Policy>>,
    /// Whether any of them redirects, which has counters.
    pub(super) redirects: bool,
    pub(super) alive: Arc<()>,
}

/// A compiled policy.
pub(super) enum Policy {
    Local(Local),
    Redirect(Arc<Redirect>),
}

/// A compiled policy of an answer from the configuration.
pub(super) struct Local {
    pub(super) body: Vec<u8>,
    /// What the body becomes. Its content type does not count, as in Envoy.
    pub(super) format: Option<Format>,
    pub(super) headers: Option<Arc<HeaderMutations>>,
    /// The status; none for the response's own.
    pub(super) status: Option<u16>,
    pub(super) details: Details,
}

/// What logs are told.
pub(super) enum Details {
    Nothing,
    Given(Box<str>),
    /// What they would have been told of the response.
    Preserved,
}

/// The chain's config, shared by the workers.
pub(super) struct ChainConfig(pub(super) Arc<Policies>);

impl LevelConfig for Policies {
    fn register(&self, root: &Scope) -> Option<Scope> {
        if !self.redirects {
            return None;
        }
        root.register::<CustomResponseStats>();
        Some(root.clone())
    }
}

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
        let mut actions = Actions {
            ctx,
            redirects: false,
        };
        let tree = matcher.map(|matcher| MatchTree::compile(matcher, &mut actions));
        let redirects = actions.redirects;
        Ok(Policies {
            tree: tree.transpose()?,
            redirects,
            alive: Arc::default(),
        })
    }
}

/// Compiles the actions of a tree.
struct Actions<'c> {
    ctx: &'c mut Ctx,
    redirects: bool,
}

impl MatchContext for Actions<'_> {
    type Action = Policy;

    fn ctx(&mut self) -> &mut Ctx {
        self.ctx
    }

    fn action(&mut self, action: &Extension) -> Result<Policy, Refused> {
        let any = &action.typed_config;
        let ctx = &mut *self.ctx;
        match any.type_name() {
            LOCAL => Local::compile(&any.decode(ctx)?, ctx).map(Policy::Local),
            REDIRECT => {
                self.redirects = true;
                let policy = compile_redirect(&any.decode(ctx)?, ctx)?;
                Ok(Policy::Redirect(Arc::new(policy)))
            }
            _ => Err(unknown_extension(action, ctx)),
        }
    }
}

fn compile_redirect(message: &RedirectPolicy, ctx: &mut Ctx) -> Result<Redirect, Refused> {
    let to = match &message.redirect_action_specifier {
        Some(Specifier::Uri(uri)) => compile_uri(uri, ctx),
        Some(Specifier::Action(action)) => compile_action(action, ctx),
        // The API's rules have said so.
        None => Err(Refused),
    };
    let response_headers = HeaderMutations::compile(&message.response_headers_to_add, &[], ctx);
    let request_headers = HeaderMutations::compile(&message.request_headers_to_add, &[], ctx);
    if let Some(action) = &message.modify_request_headers_action {
        let text = format!(
            "Didn't find a registered implementation for '{}' with type URL: '{}'",
            action.name,
            action.typed_config.type_name()
        );
        ctx.error(action.typed_config.span, text);
        return Err(Refused);
    }
    Ok(Redirect {
        to: to?,
        status: compile_status(message.status_code.as_ref(), ctx)?,
        response_headers: response_headers?,
        request_headers: request_headers?,
    })
}

fn compile_uri(uri: &Spanned<String>, ctx: &mut Ctx) -> Result<Target, Refused> {
    if redirect::split(uri.value.as_bytes()).is_some() {
        return Ok(Target::Uri(uri.value.as_str().into()));
    }
    let text = format!(
        "Invalid uri specified for redirection for custom response: {}",
        uri.value
    );
    ctx.error(uri.span, text);
    Err(Refused)
}

fn compile_action(action: &RedirectAction, ctx: &mut Ctx) -> Result<Target, Refused> {
    let path = match &action.path_rewrite_specifier {
        None => NewPath::Keep,
        Some(PathRedirect::Path(path)) if path.value.is_empty() => NewPath::Keep,
        Some(PathRedirect::Path(path)) if path.value.contains('#') => {
            let text = format!(
                "#fragment is not supported for custom response. Specified path_redirect is {}",
                path.value
            );
            ctx.error(path.span, text);
            return Err(Refused);
        }
        Some(PathRedirect::Path(path)) => NewPath::To(path.value.as_str().into()),
        Some(PathRedirect::Prefix(prefix)) => {
            let text = "prefix_rewrite is not supported for Custom Response";
            ctx.error(prefix.span, text);
            return Err(Refused);
        }
        Some(PathRedirect::Regex(regex)) => {
            let text = "regex_rewrite is not supported for Custom Response";
            ctx.error(regex.span(), text);
            return Err(Refused);
        }
        Some(PathRedirect::Format(text)) if text.value.is_empty() => NewPath::Keep,
        Some(PathRedirect::Format(text)) => {
            let format = Format::compile_omitting(&text.value);
            NewPath::Format(format.map_err(|error| {
                let fault = format!("Failed to create path_rewrite formatter: {error}");
                ctx.error(text.span, fault);
                Refused
            })?)
        }
    };
    let scheme = match &action.scheme_rewrite_specifier {
        Some(SchemeRewrite::Https(true)) => Some(b"https".as_slice().into()),
        Some(SchemeRewrite::Scheme(scheme)) if !scheme.is_empty() => Some(scheme.as_bytes().into()),
        _ => None,
    };
    let port = match action.port_redirect {
        0 => Box::default(),
        port => format!(":{port}").into_bytes().into_boxed_slice(),
    };
    let parts = NewLocation {
        scheme,
        host: action.host_redirect.as_bytes().into(),
        port,
        strip_query: action.strip_query,
    };
    Ok(Target::Parts { parts, path })
}

fn compile_status(status: Option<&Spanned<u32>>, ctx: &mut Ctx) -> Result<Option<u16>, Refused> {
    let compile = |status: &Spanned<u32>| {
        u16::try_from(status.value).map_err(|_| {
            ctx.error(status.span, "a status is a number from 100 to 599");
            Refused
        })
    };
    status.map(compile).transpose()
}

impl Local {
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
        let status = compile_status(message.status_code.as_ref(), ctx)?;
        Ok(Local {
            body: body?,
            format: format.transpose()?,
            headers: (!headers.is_empty()).then(|| Arc::new(headers)),
            status,
            details: match &message.response_code_details_action {
                Some(DetailsAction::Given(details)) => Details::Given(
                    details
                        .replace(|c: char| c.is_ascii_whitespace(), "_")
                        .into(),
                ),
                Some(DetailsAction::Preserved(true)) => Details::Preserved,
                Some(DetailsAction::Preserved(false)) | None => Details::Nothing,
            },
        })
    }
}
