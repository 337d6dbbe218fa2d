//! What spans are to say, by connection managers and by routes.

use nuncio_config::typed::{Ctx, Refused, Spanned};
use nuncio_contract::custom_tag::{CustomTag, CustomTagMessage};
use nuncio_contract::formatter::Format;

const DEFAULT_PATH_BYTES: u32 = 256;

/// What both say.
#[derive(Clone, Debug, Default)]
pub(crate) struct RouteSpans {
    /// Tags.
    pub(crate) tags: Vec<CustomTag>,
    /// The name of spans of requests.
    pub(crate) operation: Option<Format>,
    /// The name of spans of tries.
    pub(crate) upstream_operation: Option<Format>,
}

/// What connection managers say.
#[derive(Clone, Debug)]
pub(crate) struct SpanSettings {
    /// What routes may say as well.
    pub(crate) names: RouteSpans,
    /// Whether it is noted when what happened.
    pub(crate) is_verbose: bool,
    /// The longest path in a tag.
    pub(crate) max_path_bytes: usize,
    /// Whether tries have spans of their own.
    pub(crate) spawns_upstream_span: bool,
    /// Whether hosts are told of the trace.
    pub(crate) propagates: bool,
    /// Whether requests go out from what stands beside the proxy.
    pub(crate) is_outbound: bool,
}

impl RouteSpans {
    pub(crate) fn compile(
        tags: &[CustomTagMessage],
        operation: &Spanned<String>,
        upstream_operation: &Spanned<String>,
        ctx: &mut Ctx,
    ) -> Result<Self, Refused> {
        let format = |text: &Spanned<String>, ctx: &mut Ctx| match text.value.is_empty() {
            true => Ok(None),
            false => Format::parse_omitting(text, ctx).map(Some),
        };
        Ok(RouteSpans {
            tags: tags
                .iter()
                .map(|tag| tag.compile(ctx))
                .collect::<Result<_, _>>()?,
            operation: format(operation, ctx)?,
            upstream_operation: format(upstream_operation, ctx)?,
        })
    }
}

impl SpanSettings {
    pub(crate) fn path_bytes(max: Option<u32>) -> usize {
        let max = max.unwrap_or(DEFAULT_PATH_BYTES);
        usize::try_from(max).unwrap_or(usize::MAX)
    }
}
