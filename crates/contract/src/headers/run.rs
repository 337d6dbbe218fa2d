//! Whether the lines of a map lie beside each other in its arena, in their order and with nothing between, as they nearly
//! always do: they are then written in one piece.

use std::ops::Range;

/// Where the lines of a map lie.
#[derive(Clone, Copy, Default)]
pub(super) struct Run {
    start: u32,
    end: u32,
    is_broken: bool,
}

impl Run {
    /// Notes a line that was added, the first one of the map or not.
    #[inline]
    pub(super) fn add(&mut self, line: Range<u32>, is_first: bool) {
        if is_first {
            self.start = line.start;
        } else {
            self.is_broken |= line.start != self.end;
        }
        self.end = line.end;
    }

    /// Notes that a line went, or lies elsewhere now.
    #[inline]
    pub(super) fn break_up(&mut self) {
        self.is_broken = true;
    }

    /// Where all lines lie; none where they have to be looked for one by one.
    #[inline]
    pub(super) fn whole(&self) -> Option<Range<usize>> {
        (!self.is_broken).then_some(self.start as usize..self.end as usize)
    }
}
