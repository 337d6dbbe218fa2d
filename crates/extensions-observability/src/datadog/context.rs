//! What the head of a request says of its trace: by Datadog's headers, by W3C's, or by both.

use nuncio_contract::headers::{HeaderMap, HeaderName};

use super::w3c;

/// More of trace tags is not read.
const MAX_TAGS_BYTES: usize = 512;
/// A longer origin is not read: each span says it.
const MAX_ORIGIN_BYTES: usize = 512;
/// The first half of the id of a trace.
pub(super) const HIGH_TAG: &str = "_dd.p.tid";
/// Which product the trace is for; a tag of the first span, not of the trace.
pub(super) const SOURCE_TAG: &str = "_dd.p.ts";
/// What propagated tags begin with.
pub(super) const TAG_PREFIX: &str = "_dd.p.";
pub(super) const ERROR_TAG: &str = "_dd.propagation_error";
const PARENT_TAG: &str = "_dd.parent_id";

pub(super) type Tags = Vec<(String, String)>;

/// The names of Datadog's headers.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) trace_id: HeaderName,
    pub(super) parent_id: HeaderName,
    pub(super) priority: HeaderName,
    pub(super) origin: HeaderName,
    pub(super) tags: HeaderName,
}

impl Names {
    /// They are names, so there are all.
    pub(super) fn new() -> Option<Self> {
        let name = |name| HeaderName::parse(name).ok();
        Some(Names {
            trace_id: name("x-datadog-trace-id")?,
            parent_id: name("x-datadog-parent-id")?,
            priority: name("x-datadog-sampling-priority")?,
            origin: name("x-datadog-origin")?,
            tags: name("x-datadog-tags")?,
        })
    }
}

/// What one kind of headers says, or both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Context {
    /// The first half and the second.
    pub(super) trace_id: Option<(u64, u64)>,
    pub(super) parent_id: Option<u64>,
    pub(super) priority: Option<i32>,
    pub(super) origin: Option<String>,
    pub(super) trace_tags: Tags,
    /// The span of Datadog that is the nearest above, as `tracestate` says it.
    pub(super) w3c_parent: Option<String>,
    /// Of others in `tracestate`.
    pub(super) more_state: Option<String>,
    /// Of Datadog in `tracestate`, but unknown to us.
    pub(super) more_of_ours: Option<String>,
    /// Tags of the first span.
    pub(super) span_tags: Tags,
}

/// Reads it; none if the request is of no trace, or what it says cannot be read.
pub(super) fn extract(request: &HeaderMap, names: &Names) -> Option<Context> {
    let mut span_tags = Tags::new();
    let datadog = of_datadog(request, names, &mut span_tags)?;
    let w3c = w3c::of_request(request, &mut span_tags);
    let mut found = merged(datadog, w3c);
    let trace_id = found.trace_id.filter(|id| *id != (0, 0))?;
    if found.parent_id.is_none() && found.origin.is_none() {
        return None;
    }
    found.span_tags = span_tags;
    found.agree_on_high_half(trace_id.0);
    if let Some(parent) = found.w3c_parent.take() {
        set(&mut found.span_tags, PARENT_TAG, parent);
    }
    let source = found.trace_tags.iter().position(|tag| tag.0 == SOURCE_TAG);
    if let Some(at) = source {
        let tag = found.trace_tags.remove(at);
        found.span_tags.push(tag);
    }
    Some(found)
}

impl Context {
    /// The tag for the first half of the id says what the id does.
    fn agree_on_high_half(&mut self, high: u64) {
        if high == 0 {
            return;
        }
        let text = format!("{high:016x}");
        let Some((_, said)) = self.trace_tags.iter_mut().find(|tag| tag.0 == HIGH_TAG) else {
            self.trace_tags.push((HIGH_TAG.to_owned(), text));
            return;
        };
        let what = match high_half(said) {
            Some(said) if said == high => return,
            Some(_) => "inconsistent_tid",
            None => "malformed_tid",
        };
        let error = format!("{what} {said}");
        *said = text;
        set(&mut self.span_tags, ERROR_TAG, error);
    }
}

/// Datadog's own word counts first; where W3C's is of the same trace, it knows the parent better.
fn merged(datadog: Context, w3c: Context) -> Context {
    if datadog.trace_id.is_none() {
        return match w3c.trace_id {
            Some(_) => w3c,
            None => datadog,
        };
    }
    let mut merged = datadog;
    if w3c.trace_id != merged.trace_id {
        return merged;
    }
    merged.more_state = w3c.more_state;
    merged.more_of_ours = w3c.more_of_ours;
    if merged.parent_id != w3c.parent_id {
        let told = w3c.w3c_parent.filter(|id| *id != w3c::NO_PARENT);
        let own = merged.parent_id.map(|id| format!("{id:016x}"));
        merged.w3c_parent = told.or(own);
        merged.parent_id = w3c.parent_id;
    }
    merged
}

/// None if something cannot be read.
fn of_datadog(request: &HeaderMap, names: &Names, span_tags: &mut Tags) -> Option<Context> {
    let text = |name: &HeaderName| request.get(name).map(String::from_utf8_lossy);
    let number = |name| match text(name) {
        Some(text) => unsigned(text.trim(), 10).map(Some),
        None => Some(None),
    };
    let mut found = Context {
        trace_id: number(&names.trace_id)?.map(|low| (0, low)),
        parent_id: number(&names.parent_id)?,
        priority: match text(&names.priority) {
            Some(text) => Some(signed(text.trim())?),
            None => None,
        },
        origin: text(&names.origin)
            .filter(|origin| origin.len() <= MAX_ORIGIN_BYTES)
            .map(|origin| origin.into_owned()),
        ..Context::default()
    };
    if let Some(tags) = text(&names.tags) {
        if tags.len() > MAX_TAGS_BYTES {
            set(span_tags, ERROR_TAG, "extract_max_size".to_owned());
        } else {
            found.take_tags(&tags, span_tags);
        }
    }
    Some(found)
}

impl Context {
    fn take_tags(&mut self, text: &str, span_tags: &mut Tags) {
        let text = text.strip_suffix(',').unwrap_or(text);
        let tags = text.split(',').filter(|_| !text.is_empty());
        let tags: Option<Vec<_>> = tags.map(|tag| tag.split_once('=')).collect();
        let Some(tags) = tags else {
            return set(span_tags, ERROR_TAG, "decoding_error".to_owned());
        };
        for (name, value) in tags {
            if !name.starts_with(TAG_PREFIX) || name == SOURCE_TAG && !is_source(value) {
                continue;
            }
            if name == HIGH_TAG {
                let Some(high) = high_half(value) else {
                    set(span_tags, ERROR_TAG, format!("malformed_tid {value}"));
                    continue;
                };
                self.trace_id = self.trace_id.map(|(_, low)| (high, low));
            }
            self.trace_tags.push((name.to_owned(), value.to_owned()));
        }
    }
}

/// Which product a trace is for, as far as Datadog's library looks.
pub(super) fn is_source(text: &str) -> bool {
    text.len() <= 2 && unsigned(text, 10).is_some()
}

fn high_half(text: &str) -> Option<u64> {
    unsigned(text, 16).filter(|_| text.len() == 16)
}

/// Digits alone.
pub(super) fn unsigned(text: &str, base: u32) -> Option<u64> {
    match text.starts_with('+') {
        true => None,
        false => u64::from_str_radix(text, base).ok(),
    }
}

/// Digits, behind a minus or not.
pub(super) fn signed(text: &str) -> Option<i32> {
    match text.starts_with('+') {
        true => None,
        false => text.parse().ok(),
    }
}

/// Sets a tag, in place of one of the same name.
pub(super) fn set(tags: &mut Tags, name: &str, value: String) {
    match tags.iter_mut().find(|(known, _)| known == name) {
        Some((_, known)) => *known = value,
        None => tags.push((name.to_owned(), value)),
    }
}
