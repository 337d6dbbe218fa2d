//! Filters between the router and a host: `http_filters` of clusters and `upstream_http_filters` of routers.
//!
//! A chain ends with `envoy.filters.http.upstream_codec`, which is the way to the host itself; a cluster's chain of
//! that alone takes the place of the router's as well. Only rooms that Envoy has for this side as well take part ([`UPSTREAM_MESSAGES`]). Configurations
//! from elsewhere (`config_discovery`) are refused here.
//!
//! Follows Envoy's upstream HTTP filters (`upstream_filters.rst`).

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, Refused, SupportTable};

use crate::head_limits::MaxHead;
use crate::http_filter::{FilterWorkerContext, HttpFilterConfig, HttpFilterFactory, Interest};
use crate::http_filter_message::{HttpFilterConfigType, HttpFilterMessage};
use crate::registry::{HttpFilterRoom, HttpFilterRooms};
use crate::stats::Scope;

message! {
    /// The way to the host.
    struct UpstreamCodec: "envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec" {}
}

const CODEC: &str = "envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec";
const CODEC_NAME: &str = "envoy.filters.http.upstream_codec";

/// The messages of the filters that Envoy has on this side too.
const UPSTREAM_MESSAGES: [&str; 12] = [
    "envoy.extensions.filters.http.admission_control.v3.AdmissionControl",
    "envoy.extensions.filters.http.aws_lambda.v3.Config",
    "envoy.extensions.filters.http.aws_request_signing.v3.AwsRequestSigning",
    "envoy.extensions.filters.http.buffer.v3.Buffer",
    "envoy.extensions.filters.http.composite.v3.Composite",
    "envoy.extensions.filters.http.compressor.v3.Compressor",
    "envoy.extensions.filters.http.credential_injector.v3.CredentialInjector",
    "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
    "envoy.extensions.filters.http.lua.v3.Lua",
    "envoy.extensions.common.matching.v3.ExtensionWithMatcher",
    "envoy.extensions.filters.http.rbac.v3.RBAC",
    "envoy.extensions.filters.http.wasm.v3.Wasm",
];

/// Whether a filter of this message may stand between the router and a host.
pub fn is_upstream(message: &str) -> bool {
    UPSTREAM_MESSAGES.contains(&message)
}

/// Adds what stands at the end of these chains to the support table.
pub fn support(table: &mut SupportTable) {
    use nuncio_config::typed::FromValue;
    UpstreamCodec::support(table);
}

/// Whose chain it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainOf {
    /// A cluster's.
    Cluster,
    /// A router's.
    Router,
}

impl ChainOf {
    const fn name(self) -> &'static str {
        match self {
            ChainOf::Cluster => "upstream http",
            ChainOf::Router => "router upstream http",
        }
    }
}

/// A filter of the chain.
struct UpstreamFilter {
    name: Box<str>,
    config: Arc<dyn HttpFilterConfig>,
    disabled: bool,
}

/// The filters before the end of a chain.
#[derive(Clone)]
pub struct UpstreamFilters(Arc<[UpstreamFilter]>);

impl fmt::Debug for UpstreamFilters {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.iter().map(|filter| &filter.name);
        formatter.debug_list().entries(names).finish()
    }
}

/// A place in a worker's chain.
pub struct UpstreamSlot {
    /// The filter's name in the config.
    pub name: Box<str>,
    /// Makes it.
    pub factory: Box<dyn HttpFilterFactory>,
    /// What it wants to see.
    pub interest: Interest,
    /// Off unless a route switches it on.
    pub disabled: bool,
}

impl UpstreamFilters {
    /// From the messages; none where nothing is said, which a chain that is but its end is not.
    ///
    /// # Errors
    /// [`Refused`] if the chain cannot be used.
    pub fn compile(
        filters: &[HttpFilterMessage],
        of: ChainOf,
        rooms: HttpFilterRooms,
        ctx: &mut Ctx,
    ) -> Result<Option<Self>, Refused> {
        let Some((last, before)) = filters.split_last() else {
            return Ok(None);
        };
        let mut compiled = Vec::new();
        let mut is_sound = ends_with_codec(last, of, rooms, ctx)?;
        for filter in before {
            match one(filter, of, rooms, ctx) {
                Ok(one) => compiled.extend(one),
                Err(Refused) => is_sound = false,
            }
        }
        match is_sound {
            true => Ok(Some(UpstreamFilters(compiled.into()))),
            false => Err(Refused),
        }
    }

    /// A worker's chain, which counts under `scope`.
    pub fn for_worker(&self, scope: &Scope, root: &Scope) -> Rc<[UpstreamSlot]> {
        let slots = self.0.iter().map(|filter| {
            let factory = filter.config.for_worker(&FilterWorkerContext {
                scope,
                root,
                name: &filter.name,
                service_cluster: "",
                is_upstream: true,
                max_request_head: MaxHead::ANY,
            });
            UpstreamSlot {
                name: filter.name.clone(),
                interest: factory.interest(),
                factory,
                disabled: filter.disabled,
            }
        });
        slots.collect()
    }
}

fn typed<'m>(filter: &'m HttpFilterMessage, ctx: &mut Ctx) -> Result<&'m Any, Refused> {
    match &filter.config_type {
        Some(HttpFilterConfigType::TypedConfig(any)) => Ok(any),
        Some(HttpFilterConfigType::ConfigDiscovery(_)) => {
            let what = "`config_discovery` of an upstream HTTP filter";
            Err(ctx.unsupported_here(filter.name.span, what.to_owned()))
        }
        None => Err(unknown(filter, "", ctx)),
    }
}

fn unknown(filter: &HttpFilterMessage, kind: &str, ctx: &mut Ctx) -> Refused {
    let name = &filter.name.value;
    let text =
        format!("Didn't find a registered implementation for '{name}' with type URL: '{kind}'");
    ctx.error(filter.name.span, text);
    Refused
}

/// Whether the chain ends as it must.
fn ends_with_codec(
    last: &HttpFilterMessage,
    of: ChainOf,
    rooms: HttpFilterRooms,
    ctx: &mut Ctx,
) -> Result<bool, Refused> {
    let any = typed(last, ctx)?;
    let kind = any.type_name();
    if kind == CODEC {
        any.decode::<UpstreamCodec>(ctx)?;
        if last.disabled {
            let text = format!(
                "Error: the last (terminal) filter ({}) in the chain cannot be disabled by default.",
                last.name.value
            );
            ctx.error(last.name.span, text);
        }
        return Ok(!last.disabled);
    }
    let text = match of {
        ChainOf::Cluster => format!(
            "The codec filter is the only valid terminal upstream HTTP filter, use '{CODEC}'"
        ),
        ChainOf::Router => format!(
            "Error: non-terminal filter named {} of type {} is the last filter in a {} filter chain. When upstream_http_filters are specified, they must explicitly end with an UpstreamCodec filter.",
            last.name.value,
            room(rooms, kind).map_or(kind, |room| room.name),
            of.name()
        ),
    };
    ctx.error(last.name.span, text)
        .suggest("add `envoy.filters.http.upstream_codec` behind it");
    Ok(false)
}

fn room(rooms: HttpFilterRooms, message: &str) -> Option<&'static HttpFilterRoom> {
    let mut all = rooms.iter().flat_map(|family| family.iter());
    all.find(|room| room.message == message).copied()
}

/// A filter before the end; none that is left out.
fn one(
    filter: &HttpFilterMessage,
    of: ChainOf,
    rooms: HttpFilterRooms,
    ctx: &mut Ctx,
) -> Result<Option<UpstreamFilter>, Refused> {
    let any = typed(filter, ctx)?;
    let kind = any.type_name();
    if kind == CODEC {
        let text = format!(
            "Error: terminal filter named {} of type {CODEC_NAME} must be the last filter in a {} filter chain.",
            filter.name.value,
            of.name()
        );
        ctx.error(filter.name.span, text);
        return Err(Refused);
    }
    match room(rooms, kind) {
        Some(room) if is_upstream(kind) => Ok(Some(UpstreamFilter {
            name: filter.name.value.as_str().into(),
            config: (room.parse)(any, ctx)?,
            disabled: filter.disabled,
        })),
        _ if filter.is_optional => Ok(None),
        Some(_) => Err(unknown(filter, kind, ctx)),
        None => {
            let what = format!("the HTTP filter `{}` ({kind})", filter.name.value);
            ctx.unsupported(any.span, what);
            match ctx.leaves_out {
                true => Ok(None),
                false => Err(Refused),
            }
        }
    }
}
