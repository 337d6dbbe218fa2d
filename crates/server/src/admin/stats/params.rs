//! The query parameters of `/stats` and `/stats/prometheus`, checked in Envoy's order with its answers.

use nuncio_contract::matching::RegexSearch;

use crate::admin::filter;
use crate::admin::request::Params;
use crate::admin::response::AdminResponse;

/// What to show and how.
#[derive(Clone, Debug)]
pub(super) struct StatsParams {
    pub(super) used_only: bool,
    pub(super) text_readouts: bool,
    filter: Option<RegexSearch>,
    /// The filter as it was written; empty without one.
    pub(super) filter_text: String,
    pub(super) filter_inverted: bool,
    /// `hidden=only`: shows hidden stats alone, of which there are none.
    hidden_only: bool,
    pub(super) buckets: BucketsMode,
    /// `native_histogram_max_buckets`.
    pub(super) max_native_buckets: Option<u32>,
    /// `prom_protobuf`.
    pub(super) asks_for_protobuf: bool,
    pub(super) kind: Kind,
    pub(super) format: Format,
}

/// How histograms are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BucketsMode {
    Unset,
    Cumulative,
    Disjoint,
    Detailed,
    Summary,
    PrometheusNative,
}

/// Which stats are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    All,
    Counters,
    Gauges,
    Histograms,
    TextReadouts,
}

/// The format of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Text,
    Json,
    Html,
    ActiveHtml,
    Prometheus,
}

impl StatsParams {
    pub(super) fn parse(params: &Params) -> Result<Self, AdminResponse> {
        let bad = |text: String| AdminResponse::text(400, text);
        let filter = params.non_empty("filter").map(filter::compile).transpose();
        let filter = filter.map_err(|error| bad(format!("Invalid re2 regex: {error}")))?;
        let filter_inverted = params.has("invert_filter");
        if filter_inverted && filter.is_none() {
            return Err(bad(
                "invert_filter can only be used if filter is also provided".into(),
            ));
        }
        Ok(Self {
            used_only: params.has("usedonly"),
            text_readouts: params.has("text_readouts"),
            filter,
            filter_text: params.first("filter").unwrap_or_default().to_owned(),
            filter_inverted,
            buckets: buckets(params)?,
            max_native_buckets: max_native_buckets(params)?,
            asks_for_protobuf: params.has("prom_protobuf"),
            kind: kind(params)?,
            hidden_only: hidden_only(params)?,
            format: format(params)?,
        })
    }

    /// Whether a stat is to be shown.
    pub(super) fn shows(&self, name: &str, used: bool) -> bool {
        let matches = |filter: &RegexSearch| filter.is_in(name.as_bytes()) != self.filter_inverted;
        !self.hidden_only && (used || !self.used_only) && self.filter.as_ref().is_none_or(matches)
    }
}

impl StatsParams {
    /// As [`shows`](Self::shows), but makes the name only where a filter asks for it.
    pub(super) fn shows_lazily(&self, name: impl FnOnce() -> String, used: bool) -> bool {
        let name = if self.filter.is_some() {
            name()
        } else {
            String::new()
        };
        self.shows(&name, used)
    }
}

/// The value that a parameter names; `default` if it is not there or empty.
fn choice<T: Copy>(
    params: &Params,
    name: &str,
    default: T,
    choices: &[(&str, T)],
    usage: &str,
) -> Result<T, AdminResponse> {
    let Some(value) = params.non_empty(name) else {
        return Ok(default);
    };
    let chosen = choices
        .iter()
        .find(|choice| choice.0 == value)
        .map(|choice| choice.1);
    chosen.ok_or_else(|| AdminResponse::text(400, usage))
}

fn buckets(params: &Params) -> Result<BucketsMode, AdminResponse> {
    let choices = [
        // Other than nothing at all it has Prometheus shown summaries.
        ("none", BucketsMode::Summary),
        ("cumulative", BucketsMode::Cumulative),
        ("disjoint", BucketsMode::Disjoint),
        ("detailed", BucketsMode::Detailed),
        ("summary", BucketsMode::Summary),
        ("prometheusnative", BucketsMode::PrometheusNative),
    ];
    let usage =
        "usage: /stats?histogram_buckets=(cumulative|disjoint|detailed|summary|prometheusnative)\n";
    choice(
        params,
        "histogram_buckets",
        BucketsMode::Unset,
        &choices,
        usage,
    )
}

fn max_native_buckets(params: &Params) -> Result<Option<u32>, AdminResponse> {
    let Some(value) = params.non_empty("native_histogram_max_buckets") else {
        return Ok(None);
    };
    match value.trim_ascii().parse() {
        Ok(limit @ 1..) => Ok(Some(limit)),
        _ => Err(AdminResponse::text(
            400,
            "invalid native_histogram_max_buckets value: must be a positive integer",
        )),
    }
}

fn kind(params: &Params) -> Result<Kind, AdminResponse> {
    let choices = [
        ("All", Kind::All),
        ("Counters", Kind::Counters),
        ("Gauges", Kind::Gauges),
        ("Histograms", Kind::Histograms),
        ("TextReadouts", Kind::TextReadouts),
    ];
    choice(params, "type", Kind::All, &choices, "invalid &type= param")
}

fn hidden_only(params: &Params) -> Result<bool, AdminResponse> {
    let choices = [("include", false), ("only", true), ("exclude", false)];
    choice(
        params,
        "hidden",
        false,
        &choices,
        "usage: /stats?hidden=(include|only|exclude)\n\n",
    )
}

fn format(params: &Params) -> Result<Format, AdminResponse> {
    let choices = [
        ("prometheus", Format::Prometheus),
        ("json", Format::Json),
        ("text", Format::Text),
        ("html", Format::Html),
        ("active-html", Format::ActiveHtml),
    ];
    let usage = "usage: /stats?format=(html|active-html|json|prometheus|text)\n\n";
    choice(params, "format", Format::Text, &choices, usage)
}
