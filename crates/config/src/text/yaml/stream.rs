//! The text of a YAML file, byte by byte, with the place counted as yaml-cpp counts it.
//!
//! Columns are bytes. Behind the last byte stands [`END`] for ever. The first line end decides what ends
//! a line: `\r` alone only if it stands alone there.

/// What is read behind the last byte; the byte itself, which no text should have, ends a text as well.
pub(super) const END: u8 = 0x04;

/// A place in the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    /// The byte's number, from 0.
    pub(super) at: usize,
    /// The line's number, from 0.
    pub(super) line: usize,
    /// The byte's number in its line, from 0.
    pub(super) column: usize,
}

/// Why a text is no YAML, in yaml-cpp's words, and where.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) mark: Mark,
    pub(super) words: String,
}

impl Failure {
    pub(super) fn new(mark: Mark, words: impl Into<String>) -> Failure {
        let words = words.into();
        Failure { mark, words }
    }
}

pub(super) struct Stream<'t> {
    bytes: &'t [u8],
    mark: Mark,
    line_end: u8,
}

impl<'t> Stream<'t> {
    pub(super) fn new(text: &'t str) -> Stream<'t> {
        Stream {
            bytes: text.as_bytes(),
            mark: Mark::default(),
            line_end: 0,
        }
    }

    pub(super) fn mark(&self) -> Mark {
        self.mark
    }

    pub(super) fn column(&self) -> usize {
        self.mark.column
    }

    /// As if a line ended here: at the end of the text.
    pub(super) fn forget_column(&mut self) {
        self.mark.column = 0;
    }

    pub(super) fn has_more(&self) -> bool {
        self.mark.at < self.bytes.len()
    }

    pub(super) fn peek(&self) -> u8 {
        self.ahead(0)
    }

    /// The byte so many places further on.
    pub(super) fn ahead(&self, places: usize) -> u8 {
        self.bytes
            .get(self.mark.at + places)
            .copied()
            .unwrap_or(END)
    }

    pub(super) fn get(&mut self) -> u8 {
        let byte = self.peek();
        self.mark.at = (self.mark.at + 1).min(self.bytes.len());
        self.mark.column += 1;
        if self.line_end == 0 && matches!(byte, b'\n' | b'\r') {
            let alone = byte == b'\r' && self.peek() != b'\n';
            self.line_end = if alone { b'\r' } else { b'\n' };
        }
        if byte == self.line_end {
            self.mark.column = 0;
            self.mark.line += 1;
        }
        byte
    }

    pub(super) fn eat(&mut self, bytes: usize) {
        for _ in 0..bytes {
            self.get();
        }
    }

    /// The text from a place to here.
    pub(super) fn since(&self, start: usize) -> &'t [u8] {
        self.bytes.get(start..self.mark.at).unwrap_or_default()
    }

    pub(super) fn blank(&self) -> bool {
        is_blank(self.peek())
    }

    /// How many bytes the line end here has; 0 if there is none.
    pub(super) fn line_end(&self) -> usize {
        match (self.peek(), self.ahead(1)) {
            (b'\r', b'\n') => 2,
            (b'\n' | b'\r', _) => 1,
            _ => 0,
        }
    }

    /// Whether blank, line end or the end of the text stand so many places further on.
    pub(super) fn parts(&self, places: usize) -> bool {
        is_space(self.ahead(places)) || self.ahead(places) == END
    }

    /// `---` or `...`, alone.
    pub(super) fn document_mark(&self, mark: u8) -> bool {
        (0..3).all(|place| self.ahead(place) == mark) && self.parts(3)
    }
}

pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// A blank or a line end.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}
