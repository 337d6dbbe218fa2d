//! One route's conditions: the path first, as it is the cheapest to tell routes apart by.

mod client_certificate;
mod cookie;
mod why_not;

use std::borrow::Cow;

use nuncio_config::typed::{Ctx, Refused};
use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::matching::uri_template::UriTemplate;
use nuncio_contract::matching::{
    CompiledFilterStateMatcher, CompiledHeaderMatcher, CompiledMetadataMatcher,
    CompiledQueryParameterMatcher, CompiledRegex, RuntimeFractionalPercent,
};
use nuncio_contract::stream_info::StreamInfo;

use super::path_index::Reach;
use super::weight::RuntimeWeights;
use super::without_query;
use crate::config::route as config;
use client_certificate::ClientCertificate;
use cookie::CookieMatcher;

pub(super) struct RouteMatcher {
    path: PathMatcher,
    ignore_path_parameters: bool,
    rest: Option<Box<Conditions>>,
}

enum PathMatcher {
    Prefix { text: Box<[u8]>, ignore_case: bool },
    Path { text: Box<[u8]>, ignore_case: bool },
    SeparatedPrefix { text: Box<[u8]>, ignore_case: bool },
    Regex(CompiledRegex),
    Template(UriTemplate),
    Connect,
}

#[derive(Default)]
struct Conditions {
    runtime_fraction: Option<RuntimeFractionalPercent>,
    headers: Box<[CompiledHeaderMatcher]>,
    query: Box<[CompiledQueryParameterMatcher]>,
    cookies: Box<[CookieMatcher]>,
    grpc: bool,
    certificate: ClientCertificate,
    metadata: Box<[CompiledMetadataMatcher]>,
    filter_state: Box<[CompiledFilterStateMatcher]>,
    weights: Option<RuntimeWeights>,
}

impl RouteMatcher {
    pub(super) fn compile(
        config: &config::RouteMatch,
        ignore_path_parameters: bool,
        ctx: &mut Ctx,
    ) -> Result<Self, Refused> {
        let ignore_case = config.case_sensitive == Some(false);
        let bytes = |text: &String| text.as_bytes().into();
        let path = match &config.path_specifier {
            config::PathSpecifier::Prefix(text) => PathMatcher::Prefix {
                text: bytes(text),
                ignore_case,
            },
            config::PathSpecifier::Path(text) => PathMatcher::Path {
                text: bytes(text),
                ignore_case,
            },
            config::PathSpecifier::PathSeparatedPrefix(text) => PathMatcher::SeparatedPrefix {
                text: bytes(text),
                ignore_case,
            },
            config::PathSpecifier::SafeRegex(regex) => {
                PathMatcher::Regex(CompiledRegex::compile(regex, ctx)?)
            }
            config::PathSpecifier::Policy(policy) => {
                PathMatcher::Template(UriTemplate::compile(policy, "path_match_policy", ctx)?)
            }
            config::PathSpecifier::Connect(_) => PathMatcher::Connect,
        };
        let headers: Vec<_> = config
            .headers
            .iter()
            .map(|matcher| CompiledHeaderMatcher::compile(matcher, ctx))
            .collect();
        let query: Vec<_> = config
            .query_parameters
            .iter()
            .map(|matcher| CompiledQueryParameterMatcher::compile(matcher, ctx))
            .collect();
        let cookies: Vec<_> = config
            .cookies
            .iter()
            .map(|matcher| CookieMatcher::compile(matcher, ctx))
            .collect();
        let metadata: Vec<_> = config
            .dynamic_metadata
            .iter()
            .map(|matcher| CompiledMetadataMatcher::compile(matcher, ctx))
            .collect();
        let filter_state: Vec<_> = config
            .filter_state
            .iter()
            .map(|matcher| CompiledFilterStateMatcher::compile(matcher, ctx))
            .collect();
        let conditions = Conditions {
            runtime_fraction: config.runtime_fraction.clone(),
            headers: headers.into_iter().collect::<Result<_, _>>()?,
            query: query.into_iter().collect::<Result<_, _>>()?,
            cookies: cookies.into_iter().collect::<Result<_, _>>()?,
            grpc: config.grpc.is_some(),
            certificate: ClientCertificate::compile(config.tls_context.as_ref()),
            metadata: metadata.into_iter().collect::<Result<_, _>>()?,
            filter_state: filter_state.into_iter().collect::<Result<_, _>>()?,
            weights: None,
        };
        let rest = (!conditions.is_empty()).then(|| Box::new(conditions));
        Ok(RouteMatcher {
            // Envoy gives templates the path with its parameters.
            ignore_path_parameters: ignore_path_parameters
                && !matches!(path, PathMatcher::Template(_)),
            path,
            rest,
        })
    }

    /// Adds that a cluster can be picked by these weights.
    pub(super) fn add_weights(&mut self, weights: RuntimeWeights) {
        self.rest.get_or_insert_default().weights = Some(weights);
    }

    /// The template, where the path is matched by one.
    pub(super) fn template(&self) -> Option<&UriTemplate> {
        match &self.path {
            PathMatcher::Template(template) => Some(template),
            _ => None,
        }
    }

    /// Without a path only CONNECT can match, and only where the route is for it.
    pub(super) fn matches(
        &self,
        path_and_query: Option<&[u8]>,
        request: &HeaderMap,
        info: &StreamInfo,
        random: u64,
    ) -> bool {
        let matches = match (&self.path, path_and_query) {
            (PathMatcher::Connect, _) => is_connect(request) || is_connect_udp(request),
            (path, Some(path_and_query)) => path.matches(&self.path_of(path_and_query)),
            (_, None) => false,
        };
        matches && self.matches_beside_path(path_and_query, request, info, random)
    }

    /// Whether the path's parameters do not count.
    pub(super) fn ignores_path_parameters(&self) -> bool {
        self.ignore_path_parameters
    }

    /// What the path matcher sees.
    #[inline]
    fn path_of<'p>(&self, path_and_query: &'p [u8]) -> Cow<'p, [u8]> {
        let path = without_query(path_and_query);
        match self.ignore_path_parameters {
            true => without_parameters(path),
            false => Cow::Borrowed(path),
        }
    }

    /// Whether all matches but the path, of which that is known.
    pub(super) fn matches_beside_path(
        &self,
        path_and_query: Option<&[u8]>,
        request: &HeaderMap,
        info: &StreamInfo,
        random: u64,
    ) -> bool {
        let path_and_query = path_and_query.unwrap_or_default();
        self.rest
            .as_ref()
            .is_none_or(|rest| rest.hold(path_and_query, request, info, random))
    }

    /// What the path has to be like, for an index over paths without query and, if they are ignored, parameters.
    pub(super) fn reach(&self) -> Reach<'_> {
        match &self.path {
            PathMatcher::Path { text, ignore_case } => Reach::Whole {
                text,
                ignore_case: *ignore_case,
            },
            PathMatcher::Prefix { text, ignore_case }
            | PathMatcher::SeparatedPrefix { text, ignore_case } => Reach::Beginning {
                text,
                ignore_case: *ignore_case,
            },
            PathMatcher::Regex(regex) => Reach::Pattern(regex),
            PathMatcher::Template(_) | PathMatcher::Connect => Reach::Unknown,
        }
    }

    /// How many bytes of `path` a prefix rewrite takes away.
    pub(super) fn matched_len(&self, path: &[u8]) -> usize {
        match &self.path {
            PathMatcher::Prefix { text, .. }
            | PathMatcher::Path { text, .. }
            | PathMatcher::SeparatedPrefix { text, .. } => text.len(),
            PathMatcher::Regex(_) | PathMatcher::Template(_) | PathMatcher::Connect => {
                without_query(path).len()
            }
        }
    }
}

impl PathMatcher {
    fn matches(&self, path: &[u8]) -> bool {
        let same = |a: &[u8], b: &[u8], ignore_case: bool| {
            if ignore_case {
                a.eq_ignore_ascii_case(b)
            } else {
                a == b
            }
        };
        match self {
            PathMatcher::Prefix { text, ignore_case } => path
                .get(..text.len())
                .is_some_and(|head| same(head, text, *ignore_case)),
            PathMatcher::Path { text, ignore_case } => same(path, text, *ignore_case),
            PathMatcher::SeparatedPrefix { text, ignore_case } => path
                .split_at_checked(text.len())
                .is_some_and(|(head, tail)| {
                    same(head, text, *ignore_case) && (tail.is_empty() || tail.starts_with(b"/"))
                }),
            PathMatcher::Regex(regex) => regex.is_full_match(path),
            PathMatcher::Template(template) => template.matches(path),
            PathMatcher::Connect => false,
        }
    }
}

/// Each segment up to its first `;`.
#[inline]
pub(super) fn without_parameters(path: &[u8]) -> Cow<'_, [u8]> {
    match memchr::memchr(b';', path) {
        Some(_) => Cow::Owned(drop_parameters(path)),
        None => Cow::Borrowed(path),
    }
}

#[cold]
fn drop_parameters(path: &[u8]) -> Vec<u8> {
    let mut bare = Vec::with_capacity(path.len());
    let mut is_parameter = false;
    for byte in path {
        is_parameter = *byte == b';' || (is_parameter && *byte != b'/');
        if !is_parameter {
            bare.push(*byte);
        }
    }
    bare
}

/// Whether the client asks for a tunnel of datagrams. As in Envoy `upgrade` alone says so.
#[inline]
pub(crate) fn is_connect_udp(request: &HeaderMap) -> bool {
    let upgrade = request.get(Known::Upgrade);
    upgrade.is_some_and(|kind| kind.eq_ignore_ascii_case(b"connect-udp"))
}

/// Whether the client asks for a tunnel by CONNECT.
pub(crate) fn is_connect(request: &HeaderMap) -> bool {
    request.get(Known::Method) == Some(b"CONNECT".as_slice())
}

impl Conditions {
    fn is_empty(&self) -> bool {
        self.runtime_fraction.is_none()
            && self.headers.is_empty()
            && self.query.is_empty()
            && self.cookies.is_empty()
            && !self.grpc
            && self.certificate.is_any()
            && self.metadata.is_empty()
            && self.filter_state.is_empty()
    }

    fn hold(
        &self,
        path_and_query: &[u8],
        request: &HeaderMap,
        info: &StreamInfo,
        random: u64,
    ) -> bool {
        self.runtime_fraction
            .as_ref()
            .is_none_or(|fraction| fraction.chooses(random))
            && (!self.grpc || is_grpc(request))
            && self.headers.iter().all(|matcher| matcher.matches(request))
            && self
                .query
                .iter()
                .all(|matcher| query_matches(matcher, path_and_query))
            && self.cookies.iter().all(|matcher| matcher.matches(request))
            && self.certificate.holds(info.connection.tls.as_deref())
            && self
                .metadata
                .iter()
                .all(|matcher| matcher.matches(info.dynamic_metadata()))
            && self
                .filter_state
                .iter()
                .all(|matcher| matcher.matches(info))
            && self.weights.as_ref().is_none_or(RuntimeWeights::can_pick)
    }
}

/// Whether the content type is one of gRPC's.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(Known::ContentType).is_some_and(|value| {
        value
            .strip_prefix(b"application/grpc")
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"+"))
    })
}

/// Whether a parameter is as wanted; its escapes are not read.
fn query_matches(matcher: &CompiledQueryParameterMatcher, path_and_query: &[u8]) -> bool {
    matcher.matches(query_value(path_and_query, matcher.name()))
}

/// The first value of a query parameter, undecoded.
fn query_value<'a>(path_and_query: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let start = memchr::memchr(b'?', path_and_query)? + 1;
    let query = path_and_query.get(start..)?;
    let query = query.split(|byte| *byte == b'#').next()?;
    query.split(|byte| *byte == b'&').find_map(|pair| {
        let mut parts = pair.splitn(2, |byte| *byte == b'=');
        (parts.next()? == name).then(|| parts.next().unwrap_or_default())
    })
}

#[cfg(test)]
mod tests {
    use super::{query_value, without_parameters};

    #[test]
    fn each_segment_loses_its_parameters() {
        for (path, bare) in [
            ("/admin;x=y", "/admin"),
            ("/a;x/admin;y;z/", "/a/admin/"),
            ("/;x=y/admin", "//admin"),
            ("/a%3bx", "/a%3bx"),
        ] {
            assert_eq!(without_parameters(path.as_bytes()), bare.as_bytes());
        }
    }

    #[test]
    fn the_first_value_of_a_parameter_counts() {
        assert_eq!(query_value(b"/a?x=1&x=2", b"x"), Some(b"1".as_slice()));
        assert_eq!(query_value(b"/a?y&x=2#x=3", b"y"), Some(b"".as_slice()));
        assert_eq!(query_value(b"/a?y&x=2#z=3", b"z"), None);
        assert_eq!(query_value(b"/a", b"x"), None);
    }
}
