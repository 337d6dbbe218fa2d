//! `/stats?format=html`, a page with a form for its parameters and all stats below it, and `format=active-html`, a
//! page whose script asks for the stats again and again and shows those that change most.
//!
//! Names and texts are escaped: they may come from a configuration that others wrote.

use nuncio_contract::stats::HistogramBuckets;

use super::params::{BucketsMode, Format, Kind, StatsParams};
use super::text;
use super::walk::Value;
use crate::admin::request::AdminRequest;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:80rem;padding:0 1rem}\
form{display:flex;flex-wrap:wrap;gap:.5rem 1.5rem;align-items:center}pre{overflow-x:auto}\
table{border-collapse:collapse}td,th{padding:.1rem .8rem;text-align:left}tr:nth-child(odd){background:#8881}";

/// The script of the page that follows what changes.
const ACTIVE_SCRIPT: &str = include_str!("active.js");

const KINDS: [(&str, Kind); 5] = [
    ("All", Kind::All),
    ("Counters", Kind::Counters),
    ("Histograms", Kind::Histograms),
    ("Gauges", Kind::Gauges),
    ("TextReadouts", Kind::TextReadouts),
];

const BUCKETS: [(&str, BucketsMode); 4] = [
    ("summary", BucketsMode::Summary),
    ("cumulative", BucketsMode::Cumulative),
    ("disjoint", BucketsMode::Disjoint),
    ("detailed", BucketsMode::Detailed),
];

const FORMATS: [(&str, Format); 5] = [
    ("html", Format::Html),
    ("active-html", Format::ActiveHtml),
    ("text", Format::Text),
    ("json", Format::Json),
    ("prometheus", Format::Prometheus),
];

/// What stats are shown under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Section {
    TextReadouts,
    Numbers,
    Histograms,
}

impl Section {
    fn heading(self) -> &'static str {
        match self {
            Self::TextReadouts => "Text readouts",
            Self::Numbers => "Counters and gauges",
            Self::Histograms => "Histograms",
        }
    }
}

/// A page of all stats, made stat by stat.
pub(super) struct Page {
    head: String,
    section: Option<Section>,
    line: String,
}

impl Page {
    pub(super) fn new(params: &StatsParams, request: &AdminRequest<'_>) -> Self {
        Self {
            head: head(params, request),
            section: None,
            line: String::new(),
        }
    }

    /// Appends one stat.
    pub(super) fn push_stat(
        &mut self,
        page: &mut String,
        name: &str,
        value: &Value,
        mode: BucketsMode,
        buckets: &HistogramBuckets,
    ) {
        page.push_str(&std::mem::take(&mut self.head));
        let section = match value {
            Value::Text(_) => Section::TextReadouts,
            Value::Number(_) => Section::Numbers,
            Value::Histogram(..) => Section::Histograms,
        };
        if self.section != Some(section) {
            if self.section.is_some() {
                page.push_str("</pre>\n");
            }
            page.push_str(&format!("<h2>{}</h2>\n<pre>\n", section.heading()));
            self.section = Some(section);
        }
        self.line.clear();
        text::push_stat(&mut self.line, name, value, mode, buckets);
        page.push_str(&escape(&self.line));
    }

    /// Appends what ends the page.
    pub(super) fn finish(&mut self, page: &mut String) {
        page.push_str(&std::mem::take(&mut self.head));
        page.push_str(match self.section {
            Some(_) => "</pre>\n",
            None => "<p>No stats found</p>\n",
        });
        page.push_str("</body>\n</html>\n");
    }
}

/// The page that follows what changes.
pub(super) fn active_page(params: &StatsParams, request: &AdminRequest<'_>) -> String {
    let controls = "<p><label>every <input id=\"interval\" type=\"number\" min=\"1\" value=\"5\"> s</label> \
         <label>at most <input id=\"rows\" type=\"number\" min=\"1\" value=\"50\"> rows</label> \
         <span id=\"state\" role=\"status\"></span></p>\n\
         <table><thead><tr><th>stat</th><th>value</th><th>changes</th></tr></thead>\
         <tbody id=\"stats\"></tbody></table>\n";
    let head = head(params, request);
    format!("{head}{controls}<script>\n{ACTIVE_SCRIPT}</script>\n</body>\n</html>\n")
}

/// The beginning of a page, with the form.
fn head(params: &StatsParams, request: &AdminRequest<'_>) -> String {
    let check = |name: &str, label: &str, is_on: bool| {
        let checked = if is_on { " checked" } else { "" };
        format!("<label><input type=\"checkbox\" name=\"{name}\"{checked}> {label}</label>\n")
    };
    let path = escape(request.path.trim_start_matches('/'));
    let mut form = format!("<form action=\"{path}\" method=\"get\">\n");
    form.push_str(&check("usedonly", "used only", params.used_only));
    form.push_str(&format!(
        "<label>filter <input name=\"filter\" value=\"{}\"></label>\n",
        escape(&params.filter_text)
    ));
    if !params.filter_text.is_empty() {
        form.push_str(&check("invert_filter", "inverted", params.filter_inverted));
    }
    form.push_str(&choice("type", &KINDS, params.kind));
    form.push_str(&choice("histogram_buckets", &BUCKETS, params.buckets));
    form.push_str(&choice("format", &FORMATS, params.format));
    form.push_str("<button>show</button>\n</form>\n");
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>Nuncio stats</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<h1><a href=\"/\">Nuncio</a> stats</h1>\n{form}"
    )
}

fn choice<T: Copy + PartialEq>(name: &str, choices: &[(&str, T)], chosen: T) -> String {
    let options: String = choices
        .iter()
        .map(|(label, value)| {
            let selected = if *value == chosen { " selected" } else { "" };
            format!("<option{selected}>{label}</option>")
        })
        .collect();
    format!("<label>{name} <select name=\"{name}\">{options}</select></label>\n")
}

/// Text that stays text within an element or a quoted attribute.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
