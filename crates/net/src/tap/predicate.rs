//! Whether connections match: as there is no request, what asks for one never does, and the rest is known beforehand.

use nuncio_config::typed::{Ctx, Refused};
use nuncio_contract::matching::CompiledHeaderMatcher;

use super::messages::{HeadersMatch, MatchPredicate, Rule};

/// Whether a connection matches. All of it is compiled, so that what is wrong with it is found.
pub(super) fn matches(predicate: &MatchPredicate, ctx: &mut Ctx) -> Result<bool, Refused> {
    Ok(match &predicate.rule {
        Rule::Any(any) => *any,
        Rule::Not(inner) => !matches(inner, ctx)?,
        Rule::Or(set) => all(&set.rules, ctx)?.contains(&true),
        Rule::And(set) => !all(&set.rules, ctx)?.contains(&false),
        Rule::RequestHeaders(headers)
        | Rule::RequestTrailers(headers)
        | Rule::ResponseHeaders(headers)
        | Rule::ResponseTrailers(headers) => {
            check(headers, ctx)?;
            false
        }
    })
}

fn all(rules: &[MatchPredicate], ctx: &mut Ctx) -> Result<Vec<bool>, Refused> {
    rules.iter().map(|rule| matches(rule, ctx)).collect()
}

fn check(headers: &HeadersMatch, ctx: &mut Ctx) -> Result<(), Refused> {
    for header in &headers.headers {
        CompiledHeaderMatcher::compile(header, ctx)?;
    }
    Ok(())
}
