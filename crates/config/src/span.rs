//! Where a value stands in the text that it came from.
//!
//! A [`Span`] is 12 bytes and `Copy`; line and column are computed only when a diagnostic is shown.
//! Limits: a source is at most 4 GiB (byte offsets are `u32`); loading refuses far smaller ones.

/// A range of bytes in one source text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Span {
    /// Which of the sources of this load.
    pub source: u32,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The span of a value that stands in no text: made by the program itself.
    pub const NONE: Span = Span {
        source: u32::MAX,
        start: 0,
        end: 0,
    };

    /// The place of a key that stands in no text because it is a default written out.
    pub(crate) const DEFAULT: Span = Span {
        source: u32::MAX,
        start: 1,
        end: 1,
    };

    /// A span of `source` from byte `start` to byte `end`.
    pub fn new(source: u32, start: usize, end: usize) -> Span {
        let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Span {
            source,
            start: offset(start),
            end: offset(end.max(start)),
        }
    }

    /// Whether the span points into a text.
    pub fn is_known(self) -> bool {
        self.source != u32::MAX
    }

    /// Whether `inner` lies wholly inside of this span.
    pub fn contains(self, inner: Span) -> bool {
        self.source == inner.source && self.start <= inner.start && inner.end <= self.end
    }

    /// Number of bytes.
    pub fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    /// Whether no byte is covered.
    pub fn is_empty(self) -> bool {
        self.end == self.start
    }
}
