//! The filters of calls: what stands before the router.

mod header_to_metadata;
mod payload_to_metadata;
mod rate_limit;
mod target;

use std::sync::Arc;

use nuncio_codec::thrift::Head;
use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, FromValue, Refused, SupportTable};
use nuncio_contract::stream_info::StreamInfo;

use header_to_metadata::HeaderToMetadata;
use payload_to_metadata::PayloadToMetadata;
pub(crate) use rate_limit::{RateLimit, Verdict};

use crate::messages::ThriftFilter;

message! {
    /// The router.
    pub(crate) struct RouterMessage: "envoy.extensions.filters.network.thrift_proxy.router.v3.Router" {
        close_downstream_on_upstream_error: Option<bool>,
    }
}

const ROUTER: &str = "envoy.extensions.filters.network.thrift_proxy.router.v3.Router";

/// A filter of calls.
pub(crate) enum Filter {
    HeaderToMetadata(HeaderToMetadata),
    PayloadToMetadata(PayloadToMetadata),
    RateLimit(Arc<RateLimit>),
}

/// Adds what the filters honour to the support table.
pub(crate) fn support(table: &mut SupportTable) {
    RouterMessage::support(table);
    header_to_metadata::support(table);
    payload_to_metadata::support(table);
    rate_limit::support(table);
}

/// What calls go through.
pub(crate) struct Chain {
    /// What stands before the router.
    pub(crate) filters: Vec<Filter>,
    /// Whether there is a router at all. As in Envoy calls stay without answers where there is none.
    pub(crate) has_router: bool,
    /// Whether clients are seen off where their calls cannot be answered.
    pub(crate) closes_on_errors: bool,
}

/// The filters in their order. The router alone, where none are said.
pub(crate) fn compile(messages: &[ThriftFilter], ctx: &mut Ctx) -> Result<Chain, Refused> {
    let mut chain = Chain {
        filters: Vec::new(),
        has_router: true,
        closes_on_errors: true,
    };
    let Some((last, before)) = messages.split_last() else {
        return Ok(chain);
    };
    let before: Vec<_> = before.iter().map(|it| filter(it, ctx)).collect();
    let router = any_of(last, ctx)?;
    if router.type_name() == ROUTER {
        let router: RouterMessage = router.decode(ctx)?;
        chain.closes_on_errors = router.close_downstream_on_upstream_error.unwrap_or(true);
        chain.filters = before.into_iter().collect::<Result<_, _>>()?;
    } else {
        let last = filter(last, ctx);
        let all = before.into_iter().chain([last]);
        chain.filters = all.collect::<Result<_, _>>()?;
        chain.has_router = false;
    }
    Ok(chain)
}

fn any_of<'a>(message: &'a ThriftFilter, ctx: &mut Ctx) -> Result<&'a Any, Refused> {
    message.typed_config.as_ref().ok_or_else(|| {
        let name = &message.name;
        let text = format!(
            "Didn't find a registered implementation for '{}' with type URL: ''",
            name.value
        );
        ctx.error(name.span, text);
        Refused
    })
}

fn filter(message: &ThriftFilter, ctx: &mut Ctx) -> Result<Filter, Refused> {
    let any = any_of(message, ctx)?;
    match any.type_name() {
        header_to_metadata::MESSAGE => {
            HeaderToMetadata::compile(any, ctx).map(Filter::HeaderToMetadata)
        }
        payload_to_metadata::MESSAGE => {
            PayloadToMetadata::compile(any, ctx).map(Filter::PayloadToMetadata)
        }
        rate_limit::MESSAGE => {
            RateLimit::compile(any, ctx).map(|it| Filter::RateLimit(Arc::new(it)))
        }
        ROUTER => {
            let what = "a filter behind the router";
            Err(ctx.unsupported_here(message.span(), what))
        }
        other => {
            let what = format!("the filter `{other}` of the Thrift proxy");
            Err(ctx.unsupported_here(any.span, what))
        }
    }
}

/// Shows the filters the head of a call, before its route is found.
pub(crate) fn see_head(filters: &[Filter], head: &mut Head, info: &mut StreamInfo) {
    for filter in filters {
        if let Filter::HeaderToMetadata(filter) = filter {
            filter.apply(head, info);
        }
    }
}

/// Whether a filter wants to see the values of calls to this method.
pub(crate) fn want_values(filters: &[Filter], method: &[u8]) -> bool {
    filters.iter().any(|filter| match filter {
        Filter::PayloadToMetadata(filter) => filter.wants(method),
        Filter::HeaderToMetadata(_) | Filter::RateLimit(_) => false,
    })
}

/// Shows the filters the values of a call.
pub(crate) fn see_values(filters: &[Filter], method: &[u8], values: &[u8], info: &mut StreamInfo) {
    for filter in filters {
        if let Filter::PayloadToMetadata(filter) = filter {
            filter.apply(method, values, info);
        }
    }
}
