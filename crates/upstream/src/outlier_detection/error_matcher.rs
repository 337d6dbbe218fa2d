//! Which responses are errors: `MatchPredicate`, asked once about a response's head.
//!
//! What asks about anything else (the request, trailers, bodies) never matches here, as in Envoy, which does not show
//! it to the matcher either.

use nuncio_config::typed::{Ctx, Refused};
use nuncio_config::{message, one_of};
use nuncio_contract::headers::HeaderMap;
use nuncio_contract::matching::{CompiledHeaderMatcher, HeaderMatcher};

message! {
    /// A condition.
    pub struct MatchPredicate: "envoy.config.common.matcher.v3.MatchPredicate" {
        pub(crate) oneof rule: Rule,
    }
}

one_of! {
    /// Its kind.
    pub(crate) enum Rule {
        or_match => Or(MatchSet),
        and_match => And(MatchSet),
        not_match => Not(Box<MatchPredicate>),
        any_match => Any(bool),
        http_request_headers_match => RequestHeaders(HeadersMatch),
        http_request_trailers_match => RequestTrailers(HeadersMatch),
        http_response_headers_match => ResponseHeaders(HeadersMatch),
        http_response_trailers_match => ResponseTrailers(HeadersMatch),
    }
}

message! {
    /// Several conditions.
    pub(crate) struct MatchSet: "envoy.config.common.matcher.v3.MatchPredicate.MatchSet" {
        pub(crate) rules: Vec<MatchPredicate>,
    }
}

message! {
    /// Headers that must all match.
    pub(crate) struct HeadersMatch: "envoy.config.common.matcher.v3.HttpHeadersMatch" {
        pub(crate) headers: Vec<HeaderMatcher>,
    }
}

/// A compiled condition.
#[derive(Clone, Debug)]
pub struct ErrorMatcher(Node);

#[derive(Clone, Debug)]
enum Node {
    Or(Box<[Node]>),
    And(Box<[Node]>),
    Not(Box<Node>),
    Any,
    Never,
    Head(Box<[CompiledHeaderMatcher]>),
}

impl ErrorMatcher {
    /// Compiles; what is wrong is reported at its place.
    ///
    /// # Errors
    /// A header's name or an expression is none.
    pub fn compile(predicate: &MatchPredicate, ctx: &mut Ctx) -> Result<Self, Refused> {
        Node::compile(predicate, ctx).map(Self)
    }

    /// Whether a response with this head is an error.
    pub fn is_error(&self, response: &HeaderMap) -> bool {
        self.0.matches(response)
    }
}

impl Node {
    fn compile(predicate: &MatchPredicate, ctx: &mut Ctx) -> Result<Self, Refused> {
        Ok(match &predicate.rule {
            Rule::Or(set) => Self::Or(Self::compile_all(set, ctx)?),
            Rule::And(set) => Self::And(Self::compile_all(set, ctx)?),
            Rule::Not(inner) => Self::Not(Box::new(Self::compile(inner, ctx)?)),
            Rule::Any(true) => Self::Any,
            Rule::Any(false) => Self::Never,
            Rule::ResponseHeaders(written) => Self::Head(headers(written, ctx)?),
            Rule::RequestHeaders(written)
            | Rule::RequestTrailers(written)
            | Rule::ResponseTrailers(written) => {
                let _checked_alone = headers(written, ctx)?;
                Self::Never
            }
        })
    }

    fn compile_all(set: &MatchSet, ctx: &mut Ctx) -> Result<Box<[Self]>, Refused> {
        let rules = set.rules.iter();
        rules.map(|rule| Self::compile(rule, ctx)).collect()
    }

    fn matches(&self, response: &HeaderMap) -> bool {
        match self {
            Self::Or(nodes) => nodes.iter().any(|node| node.matches(response)),
            Self::And(nodes) => nodes.iter().all(|node| node.matches(response)),
            Self::Not(node) => !node.matches(response),
            Self::Any => true,
            Self::Never => false,
            Self::Head(headers) => headers.iter().all(|header| header.matches(response)),
        }
    }
}

fn headers(written: &HeadersMatch, ctx: &mut Ctx) -> Result<Box<[CompiledHeaderMatcher]>, Refused> {
    let headers = written.headers.iter();
    headers
        .map(|header| CompiledHeaderMatcher::compile(header, ctx))
        .collect()
}
