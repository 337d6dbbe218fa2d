//! Conditions of taps, and how far each has come on a stream.
//!
//! As in Envoy a condition says at any time whether it matches as far as is known, and whether that may change: a `not`
//! matches until what it negates does, and headers that name nothing never match.

use crate::headers::HeaderMap;
use crate::matching::CompiledHeaderMatcher;

/// A condition, compiled.
#[derive(Debug)]
pub enum Condition {
    /// Always.
    Any,
    /// One of them at least.
    Or(Box<[Condition]>),
    /// All of them.
    And(Box<[Condition]>),
    /// The other way round.
    Not(Box<Condition>),
    /// Headers or trailers.
    Headers(Part, Box<[CompiledHeaderMatcher]>),
    /// A body.
    Body(Part, Patterns),
}

/// What a condition looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The request's head.
    RequestHeaders,
    /// The request's body.
    RequestBody,
    /// The request's trailers.
    RequestTrailers,
    /// The response's head.
    ResponseHeaders,
    /// The response's body.
    ResponseBody,
    /// The response's trailers.
    ResponseTrailers,
}

/// What must be in a body.
#[derive(Debug)]
pub struct Patterns {
    patterns: Box<[Box<[u8]>]>,
    /// How far it is searched; all of it if zero.
    limit_bytes: usize,
}

/// What came.
#[derive(Clone, Copy)]
pub enum Event<'a> {
    /// The request's head.
    RequestHeaders(&'a HeaderMap),
    /// A piece of the request's body.
    RequestBody(&'a [u8]),
    /// The request's trailers.
    RequestTrailers(&'a HeaderMap),
    /// The response's head.
    ResponseHeaders(&'a HeaderMap),
    /// A piece of the response's body.
    ResponseBody(&'a [u8]),
    /// The response's trailers.
    ResponseTrailers(&'a HeaderMap),
}

/// How far a condition has come on one stream.
#[derive(Debug)]
pub struct Status {
    /// Whether it matches as far as is known.
    pub matches: bool,
    /// Whether that may change.
    pub may_change: bool,
    inner: Box<[Status]>,
    search: Option<Box<Search>>,
}

/// The search in a body.
#[derive(Debug, Default)]
struct Search {
    /// Which patterns have been found.
    found: Vec<bool>,
    searched_bytes: usize,
    /// The end of what was searched, in which a pattern may begin.
    tail: Vec<u8>,
}

impl Condition {
    /// How it is before anything has come.
    pub fn begin(&self) -> Status {
        let inner: Box<[Status]> = match self {
            Self::Or(set) | Self::And(set) => set.iter().map(Self::begin).collect(),
            Self::Not(inner) => Box::new([inner.begin()]),
            Self::Any | Self::Headers(..) | Self::Body(..) => Box::default(),
        };
        let mut status = Status {
            matches: matches!(self, Self::Any),
            may_change: !matches!(self, Self::Any),
            inner,
            search: None,
        };
        self.combine(&mut status);
        status
    }

    /// Takes what came.
    pub fn update(&self, status: &mut Status, event: Event<'_>) {
        if !status.may_change {
            return;
        }
        match self {
            Self::Any => {}
            Self::Or(set) | Self::And(set) => {
                for (condition, status) in set.iter().zip(&mut status.inner) {
                    condition.update(status, event);
                }
            }
            Self::Not(inner) => {
                if let Some(status) = status.inner.first_mut() {
                    inner.update(status, event);
                }
            }
            Self::Headers(part, matchers) => {
                if let Some(headers) = event.headers(*part) {
                    let matches = matchers.iter().all(|matcher| matcher.matches(headers));
                    status.matches = !matchers.is_empty() && matches;
                    status.may_change = false;
                }
            }
            Self::Body(part, patterns) => {
                if let Some(bytes) = event.body(*part) {
                    let search = status.search.get_or_insert_default();
                    (status.matches, status.may_change) = search.take(patterns, bytes);
                    if !status.may_change {
                        status.search = None;
                    }
                }
            }
        }
        self.combine(status);
    }

    /// What the members of a set come to.
    fn combine(&self, status: &mut Status) {
        status.matches = match self {
            Self::Or(_) => status.inner.iter().any(|it| it.matches),
            Self::And(_) => status.inner.iter().all(|it| it.matches),
            Self::Not(_) => status.inner.iter().all(|it| !it.matches),
            Self::Any | Self::Headers(..) | Self::Body(..) => return,
        };
        status.may_change = status.inner.iter().any(|it| it.may_change);
    }
}

impl<'a> Event<'a> {
    fn headers(self, part: Part) -> Option<&'a HeaderMap> {
        match (self, part) {
            (Self::RequestHeaders(headers), Part::RequestHeaders)
            | (Self::RequestTrailers(headers), Part::RequestTrailers)
            | (Self::ResponseHeaders(headers), Part::ResponseHeaders)
            | (Self::ResponseTrailers(headers), Part::ResponseTrailers) => Some(headers),
            _ => None,
        }
    }

    fn body(self, part: Part) -> Option<&'a [u8]> {
        match (self, part) {
            (Self::RequestBody(bytes), Part::RequestBody)
            | (Self::ResponseBody(bytes), Part::ResponseBody) => Some(bytes),
            _ => None,
        }
    }
}

impl Patterns {
    /// These, within so many bytes; anywhere if zero.
    pub(super) fn new(patterns: Box<[Box<[u8]>]>, limit_bytes: u32) -> Self {
        Self {
            patterns,
            limit_bytes: usize::try_from(limit_bytes).unwrap_or(usize::MAX),
        }
    }
}

impl Search {
    /// Searches a piece: whether all has been found, and whether it still may be.
    fn take(&mut self, patterns: &Patterns, bytes: &[u8]) -> (bool, bool) {
        let left = match patterns.limit_bytes {
            0 => usize::MAX,
            limit => limit.saturating_sub(self.searched_bytes),
        };
        let bytes = bytes.get(..left).unwrap_or(bytes);
        self.searched_bytes = self.searched_bytes.saturating_add(bytes.len());
        self.found.resize(patterns.patterns.len(), false);
        let longest = patterns.patterns.iter().map(|it| it.len()).max();
        let overlap = longest.unwrap_or(0).saturating_sub(1);
        // Across the border, then in the piece itself.
        let mut border = std::mem::take(&mut self.tail);
        border.extend_from_slice(bytes.get(..overlap).unwrap_or(bytes));
        for (pattern, found) in patterns.patterns.iter().zip(&mut self.found) {
            *found = *found || contains(&border, pattern) || contains(bytes, pattern);
        }
        if self.found.iter().all(|found| *found) {
            return (true, false);
        }
        self.tail = match bytes.len() >= overlap {
            true => bytes.to_vec(),
            false => border,
        };
        let surplus = self.tail.len().saturating_sub(overlap);
        self.tail.drain(..surplus);
        let is_over = patterns.limit_bytes != 0 && self.searched_bytes >= patterns.limit_bytes;
        (false, !is_over)
    }
}

fn contains(bytes: &[u8], pattern: &[u8]) -> bool {
    !pattern.is_empty() && bytes.windows(pattern.len()).any(|window| window == pattern)
}
