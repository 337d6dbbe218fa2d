//! URI templates: `envoy.path.match.uri_template.uri_template_matcher` matches a path by a pattern with variables,
//! `envoy.path.rewrite.uri_template.uri_template_rewriter` makes a new path of them. Both are compiled once, where
//! Envoy parses and compiles them anew for each rewrite.
//!
//! As in Envoy the path's parameters take part (`ignore_path_parameters_in_path_matching` does nothing here), case
//! counts, and a `*` inside of a literal repeats the character before it; where that is no regular expression
//! nothing matches, of which Nuncio warns. Limits: [`pattern`] and, for rewrites, 256 bytes by the API's rules.

mod pattern;
mod rewrite;
#[cfg(test)]
mod tests;
mod why_not;

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, Refused, Spanned};

pub use rewrite::{TemplateRewrite, UriTemplateRewriteConfig, check_rewrite};

use super::CompiledRegex;
use pattern::Pattern;

const MATCHER: &str = "envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig";

message! {
    /// A way to match or rewrite paths, as an extension.
    pub struct PathExtension: "envoy.config.core.v3.TypedExtensionConfig" {
        pub(crate) typed_config: Any,
        inert name = "the type says which extension it is";
    }
}

message! {
    /// Matches by a pattern with variables.
    pub struct UriTemplateMatchConfig: "envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig" {
        pub(crate) path_template: Spanned<String>,
    }
}

/// A pattern, compiled.
pub struct UriTemplate {
    text: Box<str>,
    /// None where Envoy has none either, so that nothing matches.
    regex: Option<CompiledRegex>,
    /// A variable's group in `regex` is its place here, plus one.
    variables: Box<[Box<str>]>,
}

impl UriTemplate {
    /// Compiles the extension in `field`.
    pub fn compile(policy: &PathExtension, field: &str, ctx: &mut Ctx) -> Result<Self, Refused> {
        let any = &policy.typed_config;
        if any.type_name() != MATCHER {
            let what = format!("{field} `{}`", any.type_name());
            return Err(ctx.unsupported_here(any.span, what));
        }
        let config: UriTemplateMatchConfig = any.decode(ctx)?;
        let text = &config.path_template;
        let template = Self::parse(text).map_err(|reason| {
            ctx.error(text.span, reason);
            Refused
        })?;
        if template.regex.is_none() {
            let what = format!(
                "nothing matches the template `{}`: a `*` inside of a literal repeats what stands before it, and \
                 that can be repeated once only",
                text.value
            );
            ctx.warning(text.span, what);
        }
        Ok(template)
    }

    /// The template, or what Envoy says of it.
    fn parse(text: &str) -> Result<Self, String> {
        let pattern = Pattern::parse(text).map_err(|reason| {
            format!("path_match_policy.path_template {text} is invalid: {reason}")
        })?;
        Ok(UriTemplate {
            text: text.into(),
            regex: CompiledRegex::new(&pattern.regex()).ok(),
            variables: pattern.variables().map(Into::into).collect(),
        })
    }

    /// Whether all of `path`, without its query, is as the template wants it.
    pub fn matches(&self, path: &[u8]) -> bool {
        self.regex
            .as_ref()
            .is_some_and(|regex| regex.is_full_match(path))
    }
}

/// What is wrong with a pattern, in Envoy's words.
///
/// # Errors
/// If Envoy refuses it.
pub fn check_match(text: &str) -> Result<(), String> {
    UriTemplate::parse(text).map(drop)
}

/// Whether a rewrite that is sound in itself goes with a pattern that is sound in itself.
///
/// # Errors
/// In Envoy's words, if it does not.
pub fn check_both(matcher: &str, rewrite: &str) -> Result<(), String> {
    let template = UriTemplate::parse(matcher)?;
    TemplateRewrite::parse(rewrite, &template).map(drop)
}
