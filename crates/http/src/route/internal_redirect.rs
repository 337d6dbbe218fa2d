//! `internal_redirect_policy`: which redirects of hosts are followed here instead of by the client.
//!
//! Defaults are Envoy's: one redirect, of a 302, to the scheme that the client speaks. Statuses other than 301, 302,
//! 303, 307 and 308 are never followed, as in Envoy; here they are warned of.

use nuncio_config::typed::{Ctx, Refused, Spanned};
use nuncio_contract::headers::HeaderName;

use crate::config::connection_manager::Extension;
use crate::config::resilience::{
    AllowListedRoutesConfig, FilterStateRedirectConfig, InternalRedirectPolicy,
    PreviousRoutesConfig, SafeCrossSchemeConfig,
};

const FOLLOWED_STATUSES: [u32; 5] = [301, 302, 303, 307, 308];

/// A policy.
#[derive(Debug)]
pub struct RedirectPolicy {
    /// How many redirects are followed, one after another (1).
    pub most: u32,
    /// Of which statuses (302).
    pub statuses: Box<[u32]>,
    /// What may keep a redirect from being followed.
    pub predicates: Box<[RedirectPredicate]>,
    /// Whether the scheme may be another than the client's.
    pub crosses_schemes: bool,
    /// Headers of the response that the request takes over.
    pub copied_headers: Box<[HeaderName]>,
}

/// What may keep a redirect from being followed.
#[derive(Debug, PartialEq, Eq)]
pub enum RedirectPredicate {
    /// The same route was redirected to from here before.
    PreviousRoutes,
    /// The route is none of these.
    AllowListedRoutes(Box<[Box<str>]>),
    /// The client speaks http and the target https.
    SafeCrossScheme,
    /// An object of filter state says no.
    FilterState {
        /// What the object is called.
        key: Box<str>,
        /// What there is to do without one.
        if_absent: bool,
    },
}

impl RedirectPolicy {
    /// Up to so many redirects (1) of status 302 to the same scheme, which is what the deprecated fields can say.
    pub(super) fn at_most(most: Option<u32>) -> Self {
        Self {
            most: most.unwrap_or(1),
            statuses: [302].into(),
            predicates: Box::default(),
            crosses_schemes: false,
            copied_headers: Box::default(),
        }
    }

    /// The policy; every mistake is reported.
    ///
    /// # Errors
    /// [`Refused`] when it cannot be used.
    pub(super) fn compile(policy: &InternalRedirectPolicy, ctx: &mut Ctx) -> Result<Self, Refused> {
        let statuses = match policy.redirect_response_codes.as_slice() {
            [] => vec![302],
            statuses => {
                for status in statuses.iter().filter(|it| !FOLLOWED_STATUSES.contains(it)) {
                    let text = format!("redirects of status {status} are not followed");
                    ctx.warning(policy.span(), text);
                }
                let followed = statuses.iter().filter(|it| FOLLOWED_STATUSES.contains(it));
                followed.copied().collect()
            }
        };
        let predicates: Vec<_> = (policy.predicates.iter())
            .map(|it| RedirectPredicate::compile(it, ctx))
            .collect();
        let copied: Vec<_> = (policy.response_headers_to_copy.iter())
            .map(|it| copied_header(it, ctx))
            .collect();
        Ok(Self {
            most: policy.max_internal_redirects.unwrap_or(1),
            statuses: statuses.into(),
            predicates: predicates.into_iter().collect::<Result<_, _>>()?,
            crosses_schemes: policy.allow_cross_scheme_redirect,
            copied_headers: copied.into_iter().collect::<Result<_, _>>()?,
        })
    }
}

/// What Envoy has none of either.
fn unregistered(extension: &Extension, kind: &str) -> String {
    let name = &extension.name;
    format!("Didn't find a registered implementation for '{name}' with type URL: '{kind}'")
}

impl RedirectPredicate {
    fn compile(extension: &Extension, ctx: &mut Ctx) -> Result<Self, Refused> {
        let Some(any) = &extension.typed_config else {
            ctx.error(extension.span(), unregistered(extension, ""));
            return Err(Refused);
        };
        match any.type_name() {
            "envoy.extensions.internal_redirect.previous_routes.v3.PreviousRoutesConfig" => any
                .decode::<PreviousRoutesConfig>(ctx)
                .map(|_| Self::PreviousRoutes),
            "envoy.extensions.internal_redirect.safe_cross_scheme.v3.SafeCrossSchemeConfig" => any
                .decode::<SafeCrossSchemeConfig>(ctx)
                .map(|_| Self::SafeCrossScheme),
            "envoy.extensions.internal_redirect.allow_listed_routes.v3.AllowListedRoutesConfig" => {
                let config: AllowListedRoutesConfig = any.decode(ctx)?;
                let names = config
                    .allowed_route_names
                    .iter()
                    .map(|it| it.as_str().into());
                Ok(Self::AllowListedRoutes(names.collect()))
            }
            "envoy.extensions.internal_redirect.filter_state.v3.FilterStateConfig" => {
                let config: FilterStateRedirectConfig = any.decode(ctx)?;
                Ok(Self::FilterState {
                    key: config.redirect_enabled_key.as_str().into(),
                    if_absent: config.redirect_if_absent,
                })
            }
            other => {
                ctx.error(any.span, unregistered(extension, other));
                Err(Refused)
            }
        }
    }
}

fn copied_header(name: &Spanned<String>, ctx: &mut Ctx) -> Result<HeaderName, Refused> {
    let is_host = name.value.eq_ignore_ascii_case("host");
    let text = match HeaderName::parse(&name.value) {
        _ if is_host || name.value.starts_with(':') => {
            ":-prefixed headers or Hosts may not be specified here.".to_owned()
        }
        Err(_) => format!("`{}` is not a header name", name.value),
        Ok(name) => return Ok(name),
    };
    ctx.error(name.span, text);
    Err(Refused)
}
