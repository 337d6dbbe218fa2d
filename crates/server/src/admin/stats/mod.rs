//! `/stats` and `/stats/prometheus`: every stat of the process, streamed.
//!
//! Differs from Envoy: the HTML formats and the protobuf exposition of Prometheus (with native histograms)
//! are not there yet.

mod json;
mod params;
mod prometheus;
#[cfg(test)]
mod tests;
mod text;
mod walk;

use super::request::AdminRequest;
use super::response::{AdminResponse, JSON, TEXT, chunks};
use super::state::AdminState;
use json::JsonRender;
use params::{BucketsMode, Format, StatsParams};
use prometheus::Exposition;
use walk::Walk;

/// `/stats`.
pub(super) fn stats(state: &dyn AdminState, request: &AdminRequest<'_>) -> AdminResponse {
    match StatsParams::parse(&request.params()) {
        Ok(params) if params.format == Format::Prometheus => render_prometheus(state, params),
        Ok(params) => render(state, params),
        Err(response) => response,
    }
}

/// `/stats/prometheus`.
pub(super) fn prometheus(state: &dyn AdminState, request: &AdminRequest<'_>) -> AdminResponse {
    match StatsParams::parse(&request.params()) {
        Ok(params) => render_prometheus(state, params),
        Err(response) => response,
    }
}

/// `/reset_counters`.
pub(super) fn reset_counters(state: &dyn AdminState, _request: &AdminRequest<'_>) -> AdminResponse {
    state.stats().reset_counters();
    AdminResponse::ok()
}

fn render(state: &dyn AdminState, params: StatsParams) -> AdminResponse {
    if params.buckets == BucketsMode::PrometheusNative {
        let text = "Invalid histogram_buckets type for non prometheus stats type";
        return AdminResponse::text(400, text);
    }
    state.refresh_stats();
    let mode = params.buckets;
    let buckets = state.histogram_buckets().clone();
    match params.format {
        Format::Html => AdminResponse::unsupported("/stats?format=html"),
        Format::ActiveHtml => AdminResponse::unsupported("/stats?format=active-html"),
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

fn render_prometheus(state: &dyn AdminState, params: StatsParams) -> AdminResponse {
    let refusal = match params.buckets {
        BucketsMode::Detailed | BucketsMode::Disjoint => {
            "unsupported prometheus histogram bucket mode"
        }
        BucketsMode::PrometheusNative => {
            "unsupported prometheusnative histogram type when not using protobuf exposition format"
        }
        BucketsMode::Unset | BucketsMode::Cumulative | BucketsMode::Summary => "",
    };
    if !refusal.is_empty() {
        return AdminResponse::text(400, refusal);
    }
    state.refresh_stats();
    let mut exposition = Exposition::new(state, params);
    AdminResponse::stream(TEXT, chunks(move |text| exposition.step(text)))
}
