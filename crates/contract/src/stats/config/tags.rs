//! The tags that names lose, in Envoy's order: its own rules, those of the command line, those of the
//! configuration.

use nuncio_config::typed::{Ctx, Refused, Spanned};

use super::{StatsConfig, TagSpecifier, TagValue};
use crate::stats::tags::{Expression, TagExtractor, TagSource};

/// Compiles; what is wrong is reported at its place.
pub(super) fn compile(
    config: &StatsConfig,
    fixed_tags: &[(String, String)],
    ctx: &mut Ctx,
) -> Result<TagExtractor, Refused> {
    let mut sources = Vec::new();
    if config.use_all_default_tags.unwrap_or(true) {
        let overrides = config.allow_default_tag_overrides.unwrap_or(false);
        let overridden = |tag: &str| {
            let mut own = config.stats_tags.iter();
            overrides && own.any(|specifier| specifier.tag_name.value == tag)
        };
        sources.extend(TagSource::defaults(|tag| !overridden(tag)));
    }
    sources.extend(TagSource::fixed(fixed_tags));
    let own: Vec<_> = config
        .stats_tags
        .iter()
        .map(|specifier| sources_of(specifier, ctx))
        .collect();
    for own in own {
        sources.extend(own?);
    }
    Ok(TagExtractor::of(sources))
}

fn sources_of(specifier: &TagSpecifier, ctx: &mut Ctx) -> Result<Vec<TagSource>, Refused> {
    let name = &specifier.tag_name;
    match &specifier.tag_value {
        Some(TagValue::FixedValue(value)) => {
            Ok(TagSource::fixed(&[(name.value.clone(), value.clone())]).collect())
        }
        Some(TagValue::Regex(regex)) if !regex.value.is_empty() => expression(name, regex, ctx),
        Some(TagValue::Regex(_)) | None => {
            let found: Vec<_> = TagSource::defaults(|tag| *tag == *name.value).collect();
            if found.is_empty() {
                let text = format!(
                    "No regex specified for tag specifier and no default regex for name: '{}'",
                    name.value
                );
                ctx.error(name.span, text);
                return Err(Refused);
            }
            Ok(found)
        }
    }
}

fn expression(
    name: &Spanned<String>,
    regex: &Spanned<String>,
    ctx: &mut Ctx,
) -> Result<Vec<TagSource>, Refused> {
    if name.value.is_empty() {
        ctx.error(name.span, "tag_name cannot be empty");
        return Err(Refused);
    }
    match Expression::compile(&regex.value) {
        Ok(expression) => Ok(vec![TagSource::expression(&name.value, expression)]),
        Err(reason) => {
            let text = format!("Invalid regex '{}': {reason}", regex.value);
            ctx.error(regex.span, text);
            Err(Refused)
        }
    }
}
