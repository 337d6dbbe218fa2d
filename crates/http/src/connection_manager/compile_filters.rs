//! The filter chain from the config: rooms found by the type of their message, one terminal filter at the end.

use std::sync::Arc;

use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_contract::discovered::{Discovered, ExtensionConfigSource};
use nuncio_contract::http_filter_message::{HttpFilterConfigType, HttpFilterMessage};

use super::config::{CompileContext, FilterConfig, Terminal};
use crate::config::router::{self, RouterConfig, RouterMessage};
use crate::discovered_filter::DiscoveredFilter;

/// The filters before the terminal one, and the terminal one.
pub(super) fn compile(
    filters: &[HttpFilterMessage],
    chain: &str,
    context: &mut CompileContext<'_>,
) -> Result<(Vec<FilterConfig>, Terminal), Refused> {
    let mut compiled = Vec::new();
    let mut terminal = None;
    let mut sound = true;
    let mut has_router = false;
    for (place, filter) in filters.iter().enumerate() {
        let is_last = place + 1 == filters.len();
        match one(filter, context) {
            Ok(Some(One::Filter(filter))) if !is_last => compiled.push(FilterConfig {
                place: compiled.len(),
                ..filter
            }),
            Ok(Some(One::Terminal(found))) if is_last => terminal = Some(found),
            Ok(Some(One::Filter(_))) => {
                if !has_router {
                    not_terminal(filter, chain, context);
                }
                sound = false;
            }
            Ok(Some(One::Terminal(_))) => {
                has_router = true;
                let text = format!(
                    "Error: terminal filter named {} of type {} must be the last filter in a {chain} filter chain.",
                    filter.name.value,
                    router::NAME
                );
                context.ctx.error(filter.name.span, text);
                sound = false;
            }
            Ok(None) => {}
            Err(Refused) => sound = false,
        }
    }
    match terminal {
        Some(terminal) if sound => Ok((compiled, terminal)),
        None if sound && compiled.is_empty() => Ok((compiled, Terminal::Nothing)),
        _ => Err(Refused),
    }
}

enum One {
    Filter(FilterConfig),
    Terminal(Terminal),
}

fn one(
    filter: &HttpFilterMessage,
    context: &mut CompileContext<'_>,
) -> Result<Option<One>, Refused> {
    let any = match &filter.config_type {
        Some(HttpFilterConfigType::TypedConfig(any)) => any,
        Some(HttpFilterConfigType::ConfigDiscovery(source)) => {
            return discovered(filter, source, context).map(|it| Some(One::Filter(it)));
        }
        None => {
            let what = format!(
                "the HTTP filter `{}` without `typed_config`",
                filter.name.value
            );
            return Err(context.ctx.unsupported_here(filter.name.span, what));
        }
    };
    if any.type_name() == router::MESSAGE {
        let message = any.decode::<RouterMessage>(context.ctx)?;
        let rooms = context.extensions.http_filters;
        let loggers = context.extensions.access_loggers;
        let config = RouterConfig::compile(&message, rooms, loggers, context.ctx)?;
        return Ok(Some(One::Terminal(Terminal::Router(config))));
    }
    match context.extensions.http_filter(any.type_name()) {
        Some(room) => Ok(Some(One::Filter(FilterConfig {
            name: filter.name.value.clone(),
            place: 0,
            config: (room.parse)(any, context.ctx)?,
            disabled: filter.disabled,
            discovered: None,
        }))),
        None if filter.is_optional => Ok(None),
        None => {
            unsupported(filter, any, context);
            match context.ctx.leaves_out {
                true => Ok(None),
                false => Err(Refused),
            }
        }
    }
}

/// A filter whose configuration comes from elsewhere; none that ends the chain.
fn discovered(
    filter: &HttpFilterMessage,
    source: &ExtensionConfigSource,
    context: &mut CompileContext<'_>,
) -> Result<FilterConfig, Refused> {
    let extensions = context.extensions;
    let parse = |any: &Any, ctx: &mut Ctx| match extensions.http_filter(any.type_name()) {
        Some(room) => (room.parse)(any, ctx),
        None => {
            let what = format!("the HTTP filter `{}`", any.type_name());
            Err(ctx.unsupported_here(any.span, what))
        }
    };
    let name = &filter.name;
    let place = Discovered::new(&name.value, source, parse, context.ctx)?;
    let has_room = |one: &str| extensions.http_filter(one).is_some();
    place.check_types(name.span, has_room, context.ctx)?;
    let place = Arc::new(place);
    Ok(FilterConfig {
        name: name.value.clone(),
        place: 0,
        config: Arc::new(DiscoveredFilter(Arc::clone(&place))),
        disabled: filter.disabled,
        discovered: Some(place),
    })
}

fn unsupported(filter: &HttpFilterMessage, any: &Any, context: &mut CompileContext<'_>) {
    context.ctx.unsupported(
        any.span,
        format!(
            "the HTTP filter `{}` ({})",
            filter.name.value,
            any.type_name()
        ),
    );
}

fn not_terminal(filter: &HttpFilterMessage, chain: &str, context: &mut CompileContext<'_>) {
    let kind = match &filter.config_type {
        Some(HttpFilterConfigType::TypedConfig(any)) => any.type_name(),
        Some(HttpFilterConfigType::ConfigDiscovery(_)) | None => "",
    };
    let room = context.extensions.http_filter(kind);
    let text = format!(
        "Error: non-terminal filter named {} of type {} is the last filter in a {chain} filter chain.",
        filter.name.value,
        room.map_or(kind, |room| room.name)
    );
    context
        .ctx
        .error(filter.name.span, text)
        .suggest("add `envoy.filters.http.router` behind it");
}
