//! A route's conditions in words: what they want, and why a request does not meet them. Only for people who ask;
//! whether something matches is asked of the very conditions that route requests.

use nuncio_contract::headers::HeaderMap;
use nuncio_contract::matching::{CompiledQueryParameterMatcher, quoted};
use nuncio_contract::stream_info::StreamInfo;

use super::{PathMatcher, RouteMatcher, is_connect, is_connect_udp, is_grpc, query_value};

impl RouteMatcher {
    /// What is wanted, the path first.
    pub(in crate::route) fn requirements(&self) -> Vec<String> {
        let mut all = vec![self.path.requirement()];
        let Some(rest) = &self.rest else {
            return all;
        };
        all.extend(
            rest.runtime_fraction
                .as_ref()
                .map(|fraction| format!("runtime fraction {fraction}")),
        );
        all.extend(rest.grpc.then(|| "gRPC".to_owned()));
        all.extend(rest.headers.iter().map(|header| header.requirement()));
        all.extend(rest.query.iter().map(query_requirement));
        all.extend(rest.cookies.iter().map(|cookie| cookie.requirement()));
        all.extend(rest.certificate.requirement());
        all.extend(rest.metadata.iter().map(|_| "dynamic metadata".to_owned()));
        all.extend(rest.filter_state.iter().map(|_| "filter state".to_owned()));
        all
    }

    /// All that the request lacks, in the order of the checks; nothing if it matches.
    pub(in crate::route) fn why_not(
        &self,
        path_and_query: Option<&[u8]>,
        request: &HeaderMap,
        info: &StreamInfo,
        random: u64,
    ) -> Vec<String> {
        let path_fault = match (&self.path, path_and_query) {
            (PathMatcher::Connect, _) => (!is_connect(request) && !is_connect_udp(request))
                .then(|| "it is for CONNECT, and this is another method".to_owned()),
            (path, Some(path_and_query)) => path.why_not(&self.path_of(path_and_query)),
            (path, None) => Some(format!(
                "{} never matches CONNECT, which has no path; `connect_matcher` does",
                path.requirement()
            )),
        };
        let path_and_query = path_and_query.unwrap_or_default();
        let mut all: Vec<_> = path_fault.into_iter().collect();
        let Some(rest) = &self.rest else {
            return all;
        };
        all.extend(
            rest.runtime_fraction
                .as_ref()
                .and_then(|fraction| fraction.why_not(random)),
        );
        if rest.grpc && !is_grpc(request) {
            all.push("it is for gRPC, whose content type is `application/grpc`".to_owned());
        }
        all.extend(
            rest.headers
                .iter()
                .filter_map(|header| header.why_not(request)),
        );
        all.extend(
            rest.query
                .iter()
                .filter_map(|query| query_why_not(query, path_and_query)),
        );
        all.extend(
            rest.cookies
                .iter()
                .filter_map(|cookie| cookie.why_not(request)),
        );
        all.extend(rest.certificate.why_not(info.connection.tls.as_deref()));
        let metadata = info.dynamic_metadata();
        if !rest
            .metadata
            .iter()
            .all(|matcher| matcher.matches(metadata))
        {
            all.push("the dynamic metadata, which filters set, is not as wanted".to_owned());
        }
        if !rest
            .filter_state
            .iter()
            .all(|matcher| matcher.matches(info))
        {
            all.push("the filter state, which filters set, is not as wanted".to_owned());
        }
        if rest
            .weights
            .as_ref()
            .is_some_and(|weights| !weights.can_pick())
        {
            all.push("runtime leaves none of its weighted clusters a weight".to_owned());
        }
        all
    }
}

impl PathMatcher {
    fn requirement(&self) -> String {
        let (kind, text, ignore_case) = match self {
            PathMatcher::Prefix { text, ignore_case } => ("prefix", &**text, *ignore_case),
            PathMatcher::Path { text, ignore_case } => ("path", &**text, *ignore_case),
            PathMatcher::SeparatedPrefix { text, ignore_case } => {
                ("path_separated_prefix", &**text, *ignore_case)
            }
            PathMatcher::Regex(regex) => ("regex", regex.pattern().as_bytes(), false),
            PathMatcher::Template(template) => return template.requirement(),
            PathMatcher::Connect => return "CONNECT".to_owned(),
        };
        let case = if ignore_case { ", case ignored" } else { "" };
        format!("{kind} {}{case}", quoted(text))
    }

    fn why_not(&self, path: &[u8]) -> Option<String> {
        if self.matches(path) {
            return None;
        }
        let (what, given) = (self.requirement(), quoted(path));
        let reason = match self {
            PathMatcher::Prefix { .. } => format!("{what} is not a prefix of {given}"),
            PathMatcher::Path { .. } => format!("{what} is not {given}"),
            PathMatcher::Regex(_) => format!("{what} does not match the whole of {given}"),
            PathMatcher::Template(template) => template.why_not(path),
            PathMatcher::SeparatedPrefix { text, .. } if path.starts_with(text) => {
                format!("{what} is followed by something else than `/` in {given}")
            }
            PathMatcher::SeparatedPrefix { .. } => format!("{what} is not a prefix of {given}"),
            PathMatcher::Connect => return None,
        };
        let by_case_alone = self.ignoring_case().is_some_and(|lax| lax.matches(path));
        Some(match by_case_alone {
            true => format!("{reason} (only the case differs)"),
            false => reason,
        })
    }

    /// The same matcher with `case_sensitive: false`, where it is not that already.
    fn ignoring_case(&self) -> Option<PathMatcher> {
        let ignore_case = true;
        match self {
            PathMatcher::Prefix {
                text,
                ignore_case: false,
            } => Some(PathMatcher::Prefix {
                text: text.clone(),
                ignore_case,
            }),
            PathMatcher::Path {
                text,
                ignore_case: false,
            } => Some(PathMatcher::Path {
                text: text.clone(),
                ignore_case,
            }),
            PathMatcher::SeparatedPrefix {
                text,
                ignore_case: false,
            } => Some(PathMatcher::SeparatedPrefix {
                text: text.clone(),
                ignore_case,
            }),
            _ => None,
        }
    }
}

fn query_requirement(matcher: &CompiledQueryParameterMatcher) -> String {
    let name = quoted(matcher.name());
    format!("query parameter {name} {}", matcher.verdict())
}

fn query_why_not(matcher: &CompiledQueryParameterMatcher, path_and_query: &[u8]) -> Option<String> {
    let value = query_value(path_and_query, matcher.name());
    if matcher.matches(value) {
        return None;
    }
    let what = match value {
        None => "is missing".to_owned(),
        Some(value) => format!("is {}", quoted(value)),
    };
    let name = quoted(matcher.name());
    let verdict = matcher.verdict();
    Some(format!("query parameter {name} {what}; it {verdict}"))
}
