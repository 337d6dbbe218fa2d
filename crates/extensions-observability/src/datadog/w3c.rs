//! `traceparent` and `tracestate` as Datadog's library reads and writes them.

use nuncio_contract::headers::{HeaderMap, Known};

use super::context::{
    Context, ERROR_TAG, HIGH_TAG, SOURCE_TAG, TAG_PREFIX, Tags, is_source, set, signed, unsigned,
};

/// What stands for no span of Datadog.
pub(super) const NO_PARENT: &str = "0000000000000000";
const ERROR: &str = "_dd.w3c_extraction_error";
const PARENT_BYTES: usize = 55;
/// More that others say of Datadog is not read.
const MAX_READ_BYTES: usize = 512;
/// More is not written.
const MAX_WRITTEN_BYTES: usize = 256;

/// What a request says; nothing if it cannot be read.
pub(super) fn of_request(request: &HeaderMap, span_tags: &mut Tags) -> Context {
    let mut found = Context::default();
    let Some(parent) = request.get(Known::Traceparent) else {
        return found;
    };
    let parent = String::from_utf8_lossy(parent);
    if let Err(what) = found.read_parent(parent.trim()) {
        set(span_tags, ERROR, what.to_owned());
        return Context::default();
    }
    found.w3c_parent = Some(NO_PARENT.to_owned());
    if let Some(state) = request.get(Known::Tracestate) {
        let state = String::from_utf8_lossy(state);
        if !state.is_empty() {
            found.read_state(state.trim(), span_tags);
        }
    }
    found
}

impl Context {
    fn read_parent(&mut self, text: &str) -> Result<(), &'static str> {
        const MALFORMED: &str = "malformed_traceparent";
        if text.len() < PARENT_BYTES {
            return Err(MALFORMED);
        }
        let start = text.bytes().take(3).take_while(|byte| *byte != b'-');
        if !start.clone().all(|byte| byte.is_ascii_hexdigit()) {
            return Err("invalid_version");
        }
        // Where each part must have ended.
        let part = |from: usize, until: usize| {
            let part = text.get(from..).and_then(|rest| rest.split_once('-'));
            let part = part.map(|(part, _)| part);
            part.filter(|part| from + part.len() <= until)
                .ok_or(MALFORMED)
        };
        let version = part(0, 2)?;
        if version == "ff" {
            return Err("invalid_version");
        }
        let trace = part(version.len() + 1, 35)?;
        let id = trace_id(trace).filter(|id| *id != (0, 0));
        self.trace_id = Some(id.ok_or("malformed_traceid")?);
        let at = version.len() + trace.len() + 2;
        let parent = part(at, 52)?;
        let id = unsigned(parent, 16).filter(|id| *id != 0);
        self.parent_id = Some(id.ok_or("malformed_parentid")?);
        let flags = text.get(at + parent.len() + 1..).ok_or(MALFORMED)?;
        let (flags, more) = flags.split_at_checked(2).ok_or(MALFORMED)?;
        if !more.is_empty() && (version == "00" || !more.starts_with('-')) {
            return Err(MALFORMED);
        }
        let flags = unsigned(flags, 16).ok_or("malformed_traceflags")?;
        self.priority = Some(i32::from(flags & 1 == 1));
        Ok(())
    }

    fn read_state(&mut self, state: &str, span_tags: &mut Tags) {
        let mut at = 0;
        for entry in state.split(',') {
            let end = at + entry.len();
            if let Some(("dd", ours)) = entry.trim().split_once('=') {
                let before = state.get(..at.saturating_sub(1)).unwrap_or_default();
                // With the comma before it.
                let after = state.get(end..).filter(|after| after.len() > 1);
                let after = after.unwrap_or_default();
                let others = match at {
                    0 => after.strip_prefix(',').unwrap_or_default().to_owned(),
                    _ => format!("{before}{after}"),
                };
                self.more_state = Some(others).filter(|others| !others.is_empty());
                if ours.len() > MAX_READ_BYTES {
                    return set(span_tags, ERROR_TAG, "extract_max_size".to_owned());
                }
                return self.read_ours(ours);
            }
            at = end + 1;
        }
        self.more_state = Some(state.to_owned()).filter(|state| !state.is_empty());
    }

    fn read_ours(&mut self, ours: &str) {
        for pair in ours.split(';') {
            let Some((name, value)) = pair.split_once(':') else {
                continue;
            };
            match name {
                "o" => self.origin = Some(value.replace('~', "=")),
                "s" => {
                    let agrees = |said: &i32| {
                        let flag = self.priority;
                        flag.is_none_or(|flag| (flag > 0) == (*said > 0))
                    };
                    self.priority = signed(value).filter(agrees).or(self.priority);
                }
                "p" => self.w3c_parent = Some(value.to_owned()),
                "ts" if !is_source(value) => {}
                "ts" => self
                    .trace_tags
                    .push((SOURCE_TAG.to_owned(), value.to_owned())),
                _ => match name.strip_prefix("t.") {
                    Some(name) => {
                        let tag = (format!("{TAG_PREFIX}{name}"), value.replace('~', "="));
                        self.trace_tags.push(tag);
                    }
                    None => {
                        let more = self.more_of_ours.take();
                        self.more_of_ours = Some(match more {
                            Some(more) => format!("{more};{pair}"),
                            None => pair.to_owned(),
                        });
                    }
                },
            }
        }
    }
}

/// An id of up to 32 digits as its two halves.
fn trace_id(text: &str) -> Option<(u64, u64)> {
    let Some(length) = text.len().checked_sub(16).filter(|length| *length > 0) else {
        return Some((0, unsigned(text, 16)?));
    };
    let (high, low) = text.split_at_checked(length)?;
    Some((unsigned(high, 16)?, unsigned(low, 16)?))
}

/// What `tracestate` says of a span.
pub(super) struct State<'a> {
    pub(super) span_id: u64,
    pub(super) priority: i32,
    pub(super) origin: Option<&'a str>,
    pub(super) trace_tags: &'a [(String, String)],
    pub(super) more_of_ours: Option<&'a str>,
    pub(super) more_state: Option<&'a str>,
}

impl State<'_> {
    /// As the header has it.
    pub(super) fn text(&self) -> String {
        let mut text = format!("dd=s:{};p:{:016x}", self.priority, self.span_id);
        if let Some(origin) = self.origin {
            text.push_str(";o:");
            text.extend(origin.chars().map(|one| clean(one, ",;~", true)));
        }
        for (name, value) in self.trace_tags {
            let Some(name) = name.strip_prefix(TAG_PREFIX).filter(|_| name != HIGH_TAG) else {
                continue;
            };
            text.push_str(";t.");
            text.extend(name.chars().map(|one| clean(one, " ,;=", false)));
            text.push(':');
            text.extend(value.chars().map(|one| clean(one, ",;~", true)));
        }
        if let Some(more) = self.more_of_ours {
            text.push(';');
            text.push_str(more);
        }
        while text.len() > MAX_WRITTEN_BYTES {
            let Some(at) = text.rfind(';') else { break };
            text.truncate(at);
        }
        if let Some(more) = self.more_state {
            text.push(',');
            text.push_str(more);
        }
        text
    }
}

fn clean(one: char, forbidden: &str, hides_equals: bool) -> char {
    match one {
        '=' if hides_equals => '~',
        ' '..='~' if !forbidden.contains(one) => one,
        _ => '_',
    }
}
