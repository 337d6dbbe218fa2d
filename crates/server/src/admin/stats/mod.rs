//! `/stats` and `/stats/prometheus`: every stat of the process, streamed.
//!
//! Differs from Envoy: the pages (`format=html` and `active-html`) are of our own making.

mod html;
mod json;
mod params;
mod prometheus;
#[cfg(test)]
mod tests;
mod text;
mod walk;

use super::request::AdminRequest;
use super::response::{AdminResponse, HTML, JSON, PROTOBUF, TEXT, chunks};
use super::state::AdminState;
use json::JsonRender;
use params::{BucketsMode, Format, StatsParams};
use prometheus::{Exposition, ProtobufFormat, TextFormat};
use walk::Walk;

/// `/stats`.
pub(super) fn stats(state: &dyn AdminState, request: &AdminRequest<'_>) -> AdminResponse {
    match StatsParams::parse(&request.params()) {
        Ok(params) if params.format == Format::Prometheus => {
            render_prometheus(state, request, params)
        }
        Ok(params) => render(state, request, params),
        Err(response) => response,
    }
}

/// `/stats/prometheus`.
pub(super) fn prometheus(state: &dyn AdminState, request: &AdminRequest<'_>) -> AdminResponse {
    match StatsParams::parse(&request.params()) {
        Ok(params) => render_prometheus(state, request, params),
        Err(response) => response,
    }
}

/// `/reset_counters`.
pub(super) fn reset_counters(state: &dyn AdminState, _request: &AdminRequest<'_>) -> AdminResponse {
    state.stats().reset_counters();
    AdminResponse::ok()
}

fn render(
    state: &dyn AdminState,
    request: &AdminRequest<'_>,
    params: StatsParams,
) -> AdminResponse {
    if params.buckets == BucketsMode::PrometheusNative {
        let text = "Invalid histogram_buckets type for non prometheus stats type";
        return AdminResponse::text(400, text);
    }
    state.refresh_stats();
    let mode = params.buckets;
    let buckets = state.histogram_buckets().clone();
    match params.format {
        Format::Html => {
            let mut page = html::Page::new(&params, request);
            let mut walk = Walk::new(params, state.stats().scopes());
            let step = move |text: &mut String| {
                let mut push = |name: &str, value: &_| {
                    page.push_stat(text, name, value, mode, &buckets);
                };
                let more = walk.step(&mut push);
                if !more {
                    page.finish(text);
                }
                more
            };
            AdminResponse::stream(HTML, chunks(step))
        }
        Format::ActiveHtml => AdminResponse {
            content_type: HTML,
            ..AdminResponse::text(200, html::active_page(&params, request))
        },
        Format::Json => {
            let mut walk = Walk::new(params, state.stats().scopes());
            let mut render = JsonRender::new(mode, buckets);
            let step = move |text: &mut String| {
                let more = walk.step(&mut |name, value| render.push_stat(text, name, value));
                if !more {
                    render.finish(text);
                }
                more
            };
            AdminResponse::stream(JSON, chunks(step))
        }
        Format::Text | Format::Prometheus => {
            let mut walk = Walk::new(params, state.stats().scopes());
            let step = move |text: &mut String| {
                let mut push = |name: &str, value: &_| {
                    text::push_stat(text, name, value, mode, &buckets);
                };
                walk.step(&mut push)
            };
            AdminResponse::stream(TEXT, chunks(step))
        }
    }
}

fn render_prometheus(
    state: &dyn AdminState,
    request: &AdminRequest<'_>,
    params: StatsParams,
) -> AdminResponse {
    let is_protobuf = params.asks_for_protobuf || accepts_protobuf(request.accept);
    let refusal = match params.buckets {
        BucketsMode::Detailed | BucketsMode::Disjoint => {
            "unsupported prometheus histogram bucket mode"
        }
        BucketsMode::PrometheusNative if !is_protobuf => {
            "unsupported prometheusnative histogram type when not using protobuf exposition format"
        }
        _ => "",
    };
    if !refusal.is_empty() {
        return AdminResponse::text(400, refusal);
    }
    state.refresh_stats();
    let buckets = state.histogram_buckets().clone();
    if is_protobuf {
        let format = ProtobufFormat::new(&params, buckets);
        let mut exposition = Exposition::new(state, params, format);
        return AdminResponse::stream(PROTOBUF, chunks(move |bytes| exposition.step(bytes)));
    }
    let format = TextFormat::new(params.buckets, buckets);
    let mut exposition = Exposition::new(state, params, format);
    AdminResponse::stream(TEXT, chunks(move |text| exposition.step(text)))
}

/// Whether protobuf is the first of the types that an `accept` header names and Envoy knows.
fn accepts_protobuf(accept: &str) -> bool {
    let types = accept.split(',').map(|entry| {
        let name = entry.split(';').next().unwrap_or_default();
        // The end of a name before its parameters is not trimmed, as in Envoy.
        match entry.contains(';') {
            true => name.trim_start(),
            false => name.trim(),
        }
    });
    let known = ["application/vnd.google.protobuf", "text/plain"];
    let mut known = types.filter(|name| known.contains(name));
    known.next() == Some("application/vnd.google.protobuf")
}
