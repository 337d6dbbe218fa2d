//! Which requests a rule is for: the conditions of a route that Envoy's filter looks at.

use nuncio_config::typed::{Ctx, Refused};
use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::matching::uri_template::UriTemplate;
use nuncio_contract::matching::{
    CompiledHeaderMatcher, CompiledQueryParameterMatcher, CompiledRegex,
};

use super::messages::{PathSpecifier, RouteMatch};
use crate::query;

/// The conditions.
pub(super) struct Conditions {
    path: Path,
    ignores_case: bool,
    headers: Box<[CompiledHeaderMatcher]>,
    query: Box<[CompiledQueryParameterMatcher]>,
}

enum Path {
    Prefix(Box<[u8]>),
    Whole(Box<[u8]>),
    SeparatedPrefix(Box<[u8]>),
    Regex(CompiledRegex),
    Template(UriTemplate),
    Connect,
}

impl Conditions {
    pub(super) fn compile(message: &RouteMatch, ctx: &mut Ctx) -> Result<Self, Refused> {
        let bytes = |text: &String| text.as_bytes().into();
        let path = match &message.path_specifier {
            PathSpecifier::Prefix(text) => Path::Prefix(bytes(text)),
            PathSpecifier::Path(text) => Path::Whole(bytes(text)),
            PathSpecifier::SeparatedPrefix(text) => Path::SeparatedPrefix(bytes(text)),
            PathSpecifier::Regex(regex) => Path::Regex(CompiledRegex::compile(regex, ctx)?),
            PathSpecifier::Policy(policy) => {
                Path::Template(UriTemplate::compile(policy, "path_match_policy", ctx)?)
            }
            PathSpecifier::Connect(_) => Path::Connect,
        };
        let headers = message.headers.iter();
        let headers: Vec<_> = headers
            .map(|matcher| CompiledHeaderMatcher::compile(matcher, ctx))
            .collect();
        let query = message.query_parameters.iter();
        let query: Vec<_> = query
            .map(|matcher| CompiledQueryParameterMatcher::compile(matcher, ctx))
            .collect();
        Ok(Conditions {
            path,
            ignores_case: message.case_sensitive == Some(false),
            headers: headers.into_iter().collect::<Result<_, _>>()?,
            query: query.into_iter().collect::<Result<_, _>>()?,
        })
    }

    pub(super) fn match_request(&self, request: &HeaderMap) -> bool {
        self.match_path(request)
            && self.headers.iter().all(|matcher| matcher.matches(request))
            && self.query.iter().all(|matcher| {
                let value = query::first_raw(request, matcher.name());
                matcher.matches(value)
            })
    }

    fn match_path(&self, request: &HeaderMap) -> bool {
        let whole = request.get(Known::Path);
        if matches!(self.path, Path::Connect) {
            return request.get(Known::Method) == Some(b"CONNECT");
        }
        let Some(whole) = whole else {
            return false;
        };
        let path = without_query(whole);
        match &self.path {
            Path::Prefix(text) => self.begins(path, text),
            Path::Whole(text) => path.len() == text.len() && self.begins(path, text),
            Path::SeparatedPrefix(text) => {
                self.begins(path, text) && matches!(path.get(text.len()), None | Some(b'/'))
            }
            Path::Regex(regex) => regex.is_full_match(path),
            Path::Template(template) => template.matches(path),
            Path::Connect => false,
        }
    }

    fn begins(&self, path: &[u8], text: &[u8]) -> bool {
        path.get(..text.len())
            .is_some_and(|begin| match self.ignores_case {
                true => begin.eq_ignore_ascii_case(text),
                false => begin == text,
            })
    }
}

fn without_query(path: &[u8]) -> &[u8] {
    let end = path.iter().position(|byte| matches!(byte, b'?' | b'#'));
    path.get(..end.unwrap_or(path.len())).unwrap_or(path)
}
