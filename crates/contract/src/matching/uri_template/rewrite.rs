//! A new path of literals and the matcher's variables.

use nuncio_config::message;
use nuncio_config::typed::{Ctx, Refused, Spanned};

use super::pattern::{is_character, is_name};
use super::{PathExtension, UriTemplate};
use crate::matching::CompiledRegex;

const REWRITER: &str = "envoy.extensions.path.rewrite.uri_template.v3.UriTemplateRewriteConfig";

message! {
    /// Makes a new path of the variables of the pattern.
    pub struct UriTemplateRewriteConfig: "envoy.extensions.path.rewrite.uri_template.v3.UriTemplateRewriteConfig" {
        pub(crate) path_template_rewrite: Spanned<String>,
    }
}

/// What a path becomes.
pub struct TemplateRewrite {
    /// The matcher's: the path may have changed since it matched.
    regex: CompiledRegex,
    pieces: Box<[Piece]>,
}

enum Piece {
    Literal(Box<str>),
    Group(usize),
}

/// A piece as it is written.
enum Written<'t> {
    Literal(&'t str),
    Variable(&'t str),
}

impl TemplateRewrite {
    /// Compiles a `path_rewrite_policy` against the route's matcher, where that is a template.
    pub fn compile(
        policy: &PathExtension,
        matcher: Option<&UriTemplate>,
        ctx: &mut Ctx,
    ) -> Result<Self, Refused> {
        let any = &policy.typed_config;
        if any.type_name() != REWRITER {
            let what = format!("path_rewrite_policy `{}`", any.type_name());
            return Err(ctx.unsupported_here(any.span, what));
        }
        let config: UriTemplateRewriteConfig = any.decode(ctx)?;
        let text = &config.path_template_rewrite;
        if let Err((message, reason)) = check_rewrite(text) {
            ctx.error(text.span, message).note(reason);
            return Err(Refused);
        }
        let Some(matcher) = matcher else {
            let message = "unable to use envoy.path.rewrite.uri_template.uri_template_rewriter extension without \
                           envoy.path.match.uri_template.uri_template_matcher extension";
            ctx.error(any.span, message);
            return Err(Refused);
        };
        Self::parse(text, matcher).map_err(|message| {
            ctx.error(text.span, message);
            Refused
        })
    }

    /// The rewrite, or what Envoy says of it beside this matcher.
    pub(super) fn parse(text: &str, matcher: &UriTemplate) -> Result<Self, String> {
        let place = |name: &str| matcher.variables.iter().position(|other| **other == *name);
        let compiled = || {
            let pieces = split(text).ok()?.into_iter().map(|piece| match piece {
                Written::Literal(text) => Some(Piece::Literal(text.into())),
                Written::Variable(name) => Some(Piece::Group(place(name)?.saturating_add(1))),
            });
            Some(TemplateRewrite {
                pieces: pieces.collect::<Option<_>>()?,
                regex: matcher.regex.clone()?,
            })
        };
        compiled().ok_or_else(|| {
            format!(
                "mismatch between variables in path_match_policy {} and path_rewrite_policy {text}",
                matcher.text
            )
        })
    }

    /// The new path, without a query as `path` is; none if the matcher's pattern does not hold any more.
    pub fn rewrite(&self, path: &[u8]) -> Option<Vec<u8>> {
        let groups = self.regex.groups(path)?;
        let mut out = Vec::with_capacity(path.len());
        for piece in &self.pieces {
            out.extend_from_slice(match piece {
                Piece::Literal(text) => text.as_bytes(),
                Piece::Group(number) => groups.get(*number).unwrap_or_default(),
            });
        }
        (!out.is_empty()).then_some(out)
    }
}

/// What is wrong with a rewrite in itself: in Envoy's words, and why.
///
/// # Errors
/// If Envoy refuses it.
pub fn check_rewrite(text: &str) -> Result<(), (String, &'static str)> {
    split(text).map(drop).map_err(|reason| {
        let message = format!("path_rewrite_policy.path_template_rewrite {text} is invalid");
        (message, reason)
    })
}

fn split(text: &str) -> Result<Vec<Written<'_>>, &'static str> {
    if !text.starts_with('/') {
        return Err("it must begin with `/`");
    }
    if text.contains("//") {
        return Err("it may not hold `//`");
    }
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (literal, opened) = match rest.split_once('{') {
            Some((literal, opened)) => (literal, Some(opened)),
            None => (rest, None),
        };
        if !literal
            .bytes()
            .all(|byte| byte == b'/' || is_character(byte))
        {
            return Err("what is no variable may hold letters, digits and `-._~%!$&'()+,;:@=*/`");
        }
        if !literal.is_empty() {
            pieces.push(Written::Literal(literal));
        }
        let Some(opened) = opened else { break };
        let Some((name, behind)) = opened.split_once('}') else {
            return Err("a `{` lacks its `}`");
        };
        if !is_name(name) {
            return Err("a variable's name begins with a letter and holds letters, digits and `_`");
        }
        pieces.push(Written::Variable(name));
        rest = behind;
    }
    Ok(pieces)
}
