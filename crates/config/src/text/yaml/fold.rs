//! A scalar's text: line by line, without its indentation, line ends folded, escapes replaced.
//!
//! As yaml-cpp 0.9 does it, its oddities included: a quoted scalar that is not closed is taken if the text ends
//! with a line end, and a NUL in a plain scalar begins an escape.

use super::scan::Outcome;
use super::stream::{END, Failure, Stream};

/// How a scalar is read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rules {
    pub(super) ends: Ends,
    /// What begins an escape; NUL where nothing should.
    pub(super) escape: u8,
    /// Columns that belong to no line of it.
    pub(super) indent: isize,
    /// Whether the first line that is not empty sets the indentation.
    pub(super) detects_indent: bool,
    pub(super) keeps_leading_blanks: bool,
    pub(super) fold: Fold,
    /// Whether blanks at the end go.
    pub(super) trims: bool,
    pub(super) chomp: Chomp,
    pub(super) on_document: OnDocument,
    pub(super) refuses_tabs: bool,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Ends {
    /// At the end of the text, or by indentation.
    #[default]
    Never,
    Plain {
        in_flow: bool,
    },
    Quote(u8),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Fold {
    #[default]
    None,
    Block,
    Flow,
}

/// What happens to line ends at the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Chomp {
    /// One stays.
    #[default]
    Clip,
    Strip,
    Keep,
}

/// What `---` and `...` at the start of a line do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum OnDocument {
    #[default]
    Nothing,
    Stop,
    Refuse,
}

pub(super) struct Read {
    pub(super) text: String,
    /// Whether a line with less indentation ended it.
    pub(super) ends_by_indentation: bool,
    /// Whether the quote that closes it was found.
    pub(super) is_closed: bool,
}

/// Reads a scalar from behind what begins it.
pub(super) fn read(input: &mut Stream<'_>, rules: Rules) -> Outcome<Read> {
    let mut reader = Reader {
        input,
        rules,
        out: Vec::new(),
        escaped_to: None,
        text_seen: false,
        past_first_end: rules.fold == Fold::Flow,
        was_empty: false,
        was_indented: false,
        folded: 0,
        folded_from_indented: false,
    };
    let (mut ends_by_indentation, mut is_closed) = (false, false);
    while reader.input.has_more() {
        let line = reader.line()?;
        match line {
            Line::Ended => {
                is_closed = true;
                break;
            }
            Line::EndOfText => break,
            Line::Goes { kept, escaped_end } => {
                if rules.fold == Fold::Flow {
                    reader.out.truncate(kept);
                }
                if reader.line_end(escaped_end)? {
                    ends_by_indentation = true;
                    break;
                }
            }
        }
    }
    reader.tidy();
    Ok(Read {
        text: String::from_utf8_lossy(&reader.out).into_owned(),
        ends_by_indentation,
        is_closed,
    })
}

struct Reader<'s, 't> {
    input: &'s mut Stream<'t>,
    rules: Rules,
    out: Vec<u8>,
    /// The end of the last escape: what it made stays.
    escaped_to: Option<usize>,
    text_seen: bool,
    past_first_end: bool,
    was_empty: bool,
    was_indented: bool,
    /// Empty lines that are not written yet.
    folded: usize,
    folded_from_indented: bool,
}

enum Line {
    /// The scalar ended on it.
    Ended,
    EndOfText,
    /// It goes on behind the line end; so much of the text is no blank at the line's end.
    Goes {
        kept: usize,
        escaped_end: bool,
    },
}

impl Reader<'_, '_> {
    /// How many bytes end the scalar here; 0 can end one, too.
    fn end(&self) -> Option<usize> {
        let (first, second) = (self.input.peek(), self.input.ahead(1));
        match self.rules.ends {
            Ends::Never => (first == END).then_some(0),
            Ends::Quote(b'\'') => (first == b'\'' && second != b'\'').then_some(1),
            Ends::Quote(quote) => (first == quote).then_some(1),
            Ends::Plain { in_flow } => {
                let bracket = in_flow && b",?[]{}".contains(&first);
                let colon =
                    first == b':' && (self.input.parts(1) || in_flow && b",]}".contains(&second));
                let space = match self.input.line_end() {
                    0 => usize::from(self.input.blank()),
                    bytes => bytes,
                };
                let comment = space > 0 && self.input.ahead(space) == b'#';
                (bracket || colon || comment).then_some(1)
            }
        }
    }

    fn at_document(&self) -> bool {
        self.input.column() == 0
            && (self.input.document_mark(b'-') || self.input.document_mark(b'.'))
    }

    fn line(&mut self) -> Outcome<Line> {
        let mut kept = self.out.len();
        let mut escaped_end = false;
        while self.end().is_none() && self.input.line_end() == 0 && self.input.has_more() {
            if self.rules.on_document != OnDocument::Nothing && self.at_document() {
                if self.rules.on_document == OnDocument::Stop {
                    break;
                }
                let words = "illegal document indicator in scalar";
                return Err(Failure::new(self.input.mark(), words));
            }
            self.text_seen = true;
            self.past_first_end = true;
            let byte = self.input.peek();
            if byte == self.rules.escape {
                let ends_line = matches!(self.input.ahead(1), b'\n' | b'\r');
                if byte == b'\\' && ends_line {
                    self.input.get();
                    escaped_end = true;
                } else {
                    self.escape()?;
                }
                kept = self.out.len();
                self.escaped_to = Some(kept);
                if escaped_end {
                    break;
                }
                continue;
            }
            self.out.push(self.input.get());
            if !super::stream::is_blank(byte) {
                kept = self.out.len();
            }
        }
        if !self.input.has_more() {
            return match self.rules.ends {
                Ends::Quote(_) => Err(Failure::new(self.input.mark(), "illegal EOF in scalar")),
                _ => Ok(Line::EndOfText),
            };
        }
        if self.rules.on_document == OnDocument::Stop && self.at_document() {
            return Ok(Line::Ended);
        }
        if let Some(bytes) = self.end() {
            if matches!(self.rules.ends, Ends::Quote(_)) {
                self.input.eat(bytes);
            }
            return Ok(Line::Ended);
        }
        Ok(Line::Goes { kept, escaped_end })
    }

    /// Goes over a line end to the next line's text; whether that one is indented too little to belong here.
    fn line_end(&mut self, escaped: bool) -> Outcome<bool> {
        let bytes = self.input.line_end();
        self.input.eat(bytes);
        let finds_indent = self.rules.detects_indent && !self.text_seen;
        while self.input.peek() == b' '
            && (self.column() < self.rules.indent || finds_indent)
            && self.end().is_none()
        {
            self.input.get();
        }
        if finds_indent {
            self.rules.indent = self.rules.indent.max(self.column());
        }
        while self.input.blank() {
            let is_tab = self.input.peek() == b'\t';
            if is_tab && self.rules.refuses_tabs && self.column() < self.rules.indent {
                let words = "illegal tab when looking for indentation";
                return Err(Failure::new(self.input.mark(), words));
            }
            if self.rules.keeps_leading_blanks || self.end().is_some() {
                break;
            }
            self.input.get();
        }
        let (empty, indented) = (self.input.line_end() > 0, self.input.blank());
        if self.rules.fold == Fold::Block && self.folded == 0 && empty {
            self.folded_from_indented = self.was_indented;
        }
        if self.past_first_end {
            self.fold(empty, indented, escaped);
        }
        self.was_empty = empty;
        self.was_indented = indented;
        self.past_first_end = true;
        Ok(!empty && self.column() < self.rules.indent)
    }

    fn column(&self) -> isize {
        isize::try_from(self.input.column()).unwrap_or(isize::MAX)
    }

    /// What a line end becomes, by what the next line is.
    fn fold(&mut self, empty: bool, indented: bool, escaped: bool) {
        match self.rules.fold {
            Fold::None => self.out.push(b'\n'),
            Fold::Flow if empty => self.out.push(b'\n'),
            Fold::Flow if !self.was_empty && !escaped => self.out.push(b' '),
            Fold::Flow => {}
            Fold::Block => {
                let plain = !self.was_empty && !empty && !self.was_indented && !indented;
                if plain && self.column() >= self.rules.indent {
                    self.out.push(b' ');
                } else if empty {
                    self.folded += 1;
                } else {
                    self.out.push(b'\n');
                }
                if !empty && self.folded > 0 {
                    self.out.extend(vec![b'\n'; self.folded - 1]);
                    if self.folded_from_indented || indented || !self.text_seen {
                        self.out.push(b'\n');
                    }
                    self.folded = 0;
                }
            }
        }
    }

    /// Takes away blanks and line ends at the end.
    fn tidy(&mut self) {
        if self.rules.trims
            && let Some(last) = self.last_but(b" \t")
        {
            self.out.truncate(last + 1);
        }
        let keep = match self.rules.chomp {
            Chomp::Keep => return,
            Chomp::Clip => 2,
            Chomp::Strip => 1,
        };
        match self.last_but(b"\n") {
            Some(last) => self.out.truncate(last + keep),
            None => self.out.clear(),
        }
    }

    /// The last byte that is none of these, or was made by an escape.
    fn last_but(&self, bytes: &[u8]) -> Option<usize> {
        let found = self.out.iter().rposition(|byte| !bytes.contains(byte));
        found.max(self.escaped_to)
    }

    fn escape(&mut self) -> Outcome<()> {
        let begun = self.input.get();
        let byte = self.input.get();
        let made = match byte {
            b'\'' if begun == b'\'' => '\'',
            b'0' => '\0',
            b'a' => '\x07',
            b'b' => '\x08',
            b't' | b'\t' => '\t',
            b'n' => '\n',
            b'v' => '\x0b',
            b'f' => '\x0c',
            b'r' => '\r',
            b'e' => '\x1b',
            b' ' | b'"' | b'\'' | b'\\' | b'/' => char::from(byte),
            b'N' => '\u{85}',
            b'_' => '\u{a0}',
            b'L' => '\u{2028}',
            b'P' => '\u{2029}',
            b'x' => self.hex(2)?,
            b'u' => self.hex(4)?,
            b'U' => self.hex(8)?,
            _ => {
                let shown = if byte.is_ascii() {
                    char::from(byte)
                } else {
                    '\u{fffd}'
                };
                let words = format!("unknown escape character: {shown}");
                return Err(Failure::new(self.input.mark(), words));
            }
        };
        self.out
            .extend_from_slice(made.encode_utf8(&mut [0; 4]).as_bytes());
        Ok(())
    }

    fn hex(&mut self, digits: usize) -> Outcome<char> {
        let start = self.input.mark().at;
        self.input.eat(digits);
        let written = self.input.since(start);
        let is_hex = written.len() == digits && written.iter().all(u8::is_ascii_hexdigit);
        let text = std::str::from_utf8(written).unwrap_or_default();
        let code = u32::from_str_radix(text, 16).ok().filter(|_| is_hex);
        let Some(code) = code else {
            let words = "bad character found while scanning hex number";
            return Err(Failure::new(self.input.mark(), words));
        };
        char::from_u32(code)
            .ok_or_else(|| Failure::new(self.input.mark(), format!("invalid unicode: {code}")))
    }
}
