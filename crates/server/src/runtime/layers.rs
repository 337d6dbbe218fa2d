//! The layers as the configuration has them, compiled.

use std::cell::RefCell;
use std::sync::Arc;

use nuncio_config::runtime::RuntimeValue;
use nuncio_config::span::Span;
use nuncio_config::tree::Json;
use nuncio_config::typed::{Attempt, Ctx, Refused, Spanned};
use nuncio_contract::config_source::ResourceSource;

use super::Values;
use super::config::{AdminLayer, LayerSpecifier, LayeredRuntime, RuntimeLayer};
use super::disk::Disk;
use super::names::{self, Word};

/// A layer.
pub(super) struct Layer {
    pub(super) name: String,
    pub(super) source: Source,
}

/// Where a layer's values come from.
pub(super) enum Source {
    Static(Arc<Values>),
    Disk(Disk),
    Admin,
    Rtds(Rtds),
}

/// A layer that comes from elsewhere.
pub(super) struct Rtds {
    /// What it is called there.
    pub(super) resource: String,
    pub(super) source: ResourceSource,
    /// What came last; none before anything has.
    pub(super) values: RefCell<Arc<Values>>,
}

/// Without any layer in it, `layered_runtime` has one of the admin.
pub(super) fn compile(
    message: Option<&LayeredRuntime>,
    service_cluster: &str,
    ctx: &mut Ctx,
) -> Result<Vec<Layer>, Refused> {
    let Some(message) = message else {
        return Ok(Vec::new());
    };
    if message.layers.is_empty() {
        return Ok(vec![Layer {
            name: String::new(),
            source: Source::Admin,
        }]);
    }
    let layers: Vec<_> = message
        .layers
        .iter()
        .map(|one| layer(one, service_cluster, ctx))
        .collect();
    let layers: Result<Vec<_>, _> = layers.into_iter().collect();
    Ok(layers?.into_iter().flatten().collect())
}

/// One layer; none of a kind that is not supported, where that is allowed.
fn layer(
    layer: &Attempt<RuntimeLayer>,
    service_cluster: &str,
    ctx: &mut Ctx,
) -> Result<Option<Layer>, Refused> {
    let Attempt(Ok(layer)) = layer else {
        if ctx.diagnostics.has_errors() {
            return Err(Refused);
        }
        let text = "a layer of runtime is left out, for lack of what is not supported";
        ctx.warning(Span::NONE, text);
        return Ok(None);
    };
    Ok(Some(Layer {
        name: layer.name.clone(),
        source: match &layer.layer_specifier {
            LayerSpecifier::Static(json) => Source::Static(static_values(json, ctx)?),
            LayerSpecifier::Disk(disk) => Source::Disk(Disk::new(disk, service_cluster)),
            LayerSpecifier::Admin(AdminLayer { .. }) => Source::Admin,
            LayerSpecifier::Rtds(rtds) => Source::Rtds(Rtds {
                resource: rtds.name.clone(),
                source: rtds.rtds_config.source(ctx)?,
                values: RefCell::default(),
            }),
        },
    }))
}

fn static_values(json: &Spanned<Arc<Json>>, ctx: &mut Ctx) -> Result<Arc<Values>, Refused> {
    let values = RuntimeValue::of_layer(&json.value).map_err(|name| {
        let text = format!("Invalid runtime entry value for {name}");
        ctx.error(json.span, text);
        Refused
    })?;
    for (name, value) in &values {
        match names::word(name, value) {
            Some(Word::Unheard(what)) => ctx.unsupported(json.span, what),
            Some(Word::Removed(text)) => drop(ctx.warning(json.span, text)),
            None => {}
        }
    }
    Ok(Arc::new(values.into_iter().collect()))
}
