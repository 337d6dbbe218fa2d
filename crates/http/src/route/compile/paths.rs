//! What becomes of paths: rewrites and redirects.

use nuncio_config::typed::Refused;
use nuncio_contract::matching::RegexRewrite;
use nuncio_contract::matching::uri_template::TemplateRewrite;

use super::RouteCompiler;
use crate::config::route as config;
use crate::route::forward::PathRewrite;
use crate::route::matcher::RouteMatcher;
use crate::route::redirect::{Redirect, RedirectPath};

impl RouteCompiler<'_> {
    /// The path rewrite of a route with this matcher.
    pub(super) fn path_rewrite(
        &mut self,
        action: &config::RouteAction,
        matcher: Result<&RouteMatcher, Refused>,
    ) -> Result<PathRewrite, Refused> {
        let prefix = action.prefix_rewrite.as_str();
        let (regex, policy) = (&action.regex_rewrite, &action.path_rewrite_policy);
        let given = [regex.is_some(), !prefix.is_empty(), policy.is_some()];
        if given.into_iter().filter(|given| *given).count() > 1 {
            let text = "Specify only one of prefix_rewrite, regex_rewrite or path_rewrite_policy";
            self.ctx.error(action.span(), text);
            return Err(Refused);
        }
        if let Some(regex) = regex {
            return RegexRewrite::compile(regex, self.ctx).map(PathRewrite::Regex);
        }
        if let Some(policy) = policy {
            let template = matcher?.template();
            return TemplateRewrite::compile(policy, template, self.ctx).map(PathRewrite::Template);
        }
        if prefix.is_empty() {
            return Ok(PathRewrite::None);
        }
        if matcher.is_ok_and(|matcher| matcher.template().is_some()) {
            let text = "Cannot use prefix_rewrite with matcher extension";
            self.ctx.error(action.span(), text);
            return Err(Refused);
        }
        Ok(PathRewrite::Prefix(prefix.as_bytes().into()))
    }

    /// A redirect of a route with this matcher, where that could be compiled.
    pub(super) fn redirect(
        &mut self,
        action: &config::RedirectAction,
        matcher: Option<&RouteMatcher>,
    ) -> Result<Redirect, Refused> {
        let path = match &action.path_rewrite_specifier {
            None => RedirectPath::Keep,
            Some(config::PathRedirect::Path(path)) => RedirectPath::To {
                path: path.as_bytes().into(),
                has_query: path.contains('?'),
            },
            Some(config::PathRedirect::Prefix(prefix)) => {
                if matcher.is_some_and(|matcher| matcher.template().is_some()) {
                    let text = "Cannot use redirect.prefix_rewrite with path_match_policy";
                    self.ctx.error(action.span(), text);
                    return Err(Refused);
                }
                RedirectPath::Rewrite(PathRewrite::Prefix(prefix.as_bytes().into()))
            }
            Some(config::PathRedirect::Regex(regex)) => {
                RedirectPath::Rewrite(PathRewrite::Regex(RegexRewrite::compile(regex, self.ctx)?))
            }
        };
        Ok(Redirect {
            scheme: match &action.scheme_rewrite_specifier {
                None | Some(config::SchemeRewrite::Https(false)) => None,
                Some(config::SchemeRewrite::Https(true)) => Some(b"https".as_slice().into()),
                Some(config::SchemeRewrite::Scheme(scheme)) if scheme.is_empty() => None,
                Some(config::SchemeRewrite::Scheme(scheme)) => Some(scheme.as_bytes().into()),
            },
            host: action.host_redirect.as_bytes().into(),
            port: match action.port_redirect {
                0 => Box::default(),
                port => format!(":{port}").into_bytes().into_boxed_slice(),
            },
            path,
            status: match action.response_code {
                config::RedirectResponseCode::MovedPermanently => 301,
                config::RedirectResponseCode::Found => 302,
                config::RedirectResponseCode::SeeOther => 303,
                config::RedirectResponseCode::TemporaryRedirect => 307,
                config::RedirectResponseCode::PermanentRedirect => 308,
            },
            strip_query: action.strip_query,
        })
    }
}
