//! `envoy.config.route.v3.QueryParameterMatcher`, compiled. Who looks parameters up says whether escapes in them are
//! read: routes do not, rate limits do, as in Envoy.

use nuncio_config::typed::{Ctx, Refused};
use nuncio_config::{message, one_of};

use super::string::{CompiledStringMatcher, StringMatcher};

message! {
    /// What a query parameter has to be like.
    pub struct QueryParameterMatcher: "envoy.config.route.v3.QueryParameterMatcher" {
        pub(crate) name: String,
        pub(crate) oneof query_parameter_match_specifier: Option<QueryParameterMatch>,
    }
}

one_of! {
    /// The kinds of match; presence if none is set.
    pub enum QueryParameterMatch {
        string_match => String(StringMatcher),
        present_match => Present(bool),
    }
}

/// A compiled query parameter matcher.
#[derive(Clone, Debug)]
pub struct CompiledQueryParameterMatcher {
    name: Box<[u8]>,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Present(bool),
    Text(CompiledStringMatcher),
}

impl CompiledQueryParameterMatcher {
    /// Compiles; a bad expression is reported at its place.
    pub fn compile(message: &QueryParameterMatcher, ctx: &mut Ctx) -> Result<Self, Refused> {
        let kind = match &message.query_parameter_match_specifier {
            None => Kind::Present(true),
            Some(QueryParameterMatch::Present(present)) => Kind::Present(*present),
            Some(QueryParameterMatch::String(matcher)) => {
                Kind::Text(CompiledStringMatcher::compile(matcher, ctx)?)
            }
        };
        Ok(CompiledQueryParameterMatcher {
            name: message.name.as_bytes().into(),
            kind,
        })
    }

    /// The parameter's name.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// Whether the parameter's first value, which may be none, is as wanted.
    pub fn matches(&self, value: Option<&[u8]>) -> bool {
        match &self.kind {
            Kind::Present(wanted) => value.is_some() == *wanted,
            Kind::Text(matcher) => value.is_some_and(|value| matcher.matches(value)),
        }
    }

    /// What the parameter has to be like, for explanations.
    pub fn verdict(&self) -> String {
        match &self.kind {
            Kind::Present(true) => "must be there".to_owned(),
            Kind::Present(false) => "must not be there".to_owned(),
            Kind::Text(matcher) => format!("must {}", matcher.requirement()),
        }
    }
}
