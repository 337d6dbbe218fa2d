//! What becomes of paths: rewrites and redirects.

use nuncio_config::typed::{Refused, Spanned};
use nuncio_contract::formatter::{Format, FormatError};
use nuncio_contract::matching::RegexRewrite;
use nuncio_contract::matching::uri_template::TemplateRewrite;
use nuncio_contract::new_location::NewLocation;

use super::RouteCompiler;
use crate::config::route as config;
use crate::route::forward::{HostRewrite, PathRewrite};
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
        let format = &action.path_rewrite;
        let has_format = !format.value.is_empty();
        let given = [
            regex.is_some(),
            !prefix.is_empty(),
            policy.is_some(),
            has_format,
        ];
        if given.into_iter().filter(|given| *given).count() > 1 {
            let text = "Specify only one of prefix_rewrite, regex_rewrite or path_rewrite_policy";
            self.ctx.error(action.span(), text);
            return Err(Refused);
        }
        if let Some(regex) = regex {
            return RegexRewrite::compile(regex, self.ctx).map(PathRewrite::Regex);
        }
        if has_format {
            return self.path_format(format).map(PathRewrite::Format);
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

    /// A format of a path; what is missing is left out.
    fn path_format(&mut self, text: &Spanned<String>) -> Result<Format, Refused> {
        Format::compile_omitting(&text.value)
            .map_err(|error| self.format_fault("path", &error, text))
    }

    /// A format of the host; what is missing is a dash.
    pub(super) fn host_format(
        &mut self,
        text: &Spanned<String>,
    ) -> Result<Option<HostRewrite>, Refused> {
        if text.value.is_empty() {
            return Ok(None);
        }
        match Format::compile(&text.value) {
            Ok(format) => Ok(Some(HostRewrite::Format(format))),
            Err(error) => Err(self.format_fault("host", &error, text)),
        }
    }

    fn format_fault(&mut self, what: &str, error: &FormatError, text: &Spanned<String>) -> Refused {
        let text_of =
            format!("Failed to create {what} rewrite formatter: INVALID_ARGUMENT: {error}");
        self.ctx.error(text.span, text_of);
        Refused
    }

    /// A redirect of a route with this matcher, where that could be compiled.
    pub(super) fn redirect(
        &mut self,
        action: &config::RedirectAction,
        matcher: Option<&RouteMatcher>,
    ) -> Result<Redirect, Refused> {
        let path = match &action.path_rewrite_specifier {
            None => RedirectPath::Keep,
            Some(config::PathRedirect::Path(path)) => RedirectPath::To(path.as_bytes().into()),
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
            Some(config::PathRedirect::Format(text)) if text.value.is_empty() => RedirectPath::Keep,
            Some(config::PathRedirect::Format(text)) => {
                RedirectPath::Format(self.path_format(text)?)
            }
        };
        let to = NewLocation {
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
            strip_query: action.strip_query,
        };
        Ok(Redirect {
            to,
            path,
            status: match action.response_code {
                config::RedirectResponseCode::MovedPermanently => 301,
                config::RedirectResponseCode::Found => 302,
                config::RedirectResponseCode::SeeOther => 303,
                config::RedirectResponseCode::TemporaryRedirect => 307,
                config::RedirectResponseCode::PermanentRedirect => 308,
            },
        })
    }
}
