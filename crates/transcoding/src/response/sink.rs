//! The text of JSON: commas, line ends, quotes.

/// Takes members one by one.
#[derive(Debug)]
pub(super) struct Sink {
    out: Vec<u8>,
    whitespace: bool,
    /// Whether there is a member yet in what is open.
    open: Vec<bool>,
}

impl Sink {
    pub(super) fn new(whitespace: bool) -> Self {
        Sink {
            out: Vec::new(),
            whitespace,
            open: Vec::new(),
        }
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        if self.whitespace {
            self.out.push(b'\n');
        }
        self.out
    }

    pub(super) fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    pub(super) fn open(&mut self, bracket: u8) {
        self.out.push(bracket);
        self.open.push(false);
    }

    pub(super) fn close(&mut self, bracket: u8) {
        if self.open.pop() == Some(true) {
            self.line();
        }
        self.out.push(bracket);
    }

    fn line(&mut self) {
        if self.whitespace {
            self.out.push(b'\n');
            let length = self.out.len() + self.open.len();
            self.out.resize(length, b' ');
        }
    }

    /// What comes before a member.
    pub(super) fn member(&mut self) {
        if let Some(has_members) = self.open.last_mut()
            && std::mem::replace(has_members, true)
        {
            self.out.push(b',');
        }
        self.line();
    }

    /// A member's name.
    pub(super) fn name(&mut self, name: &str) {
        self.member();
        self.text(name);
        self.raw(if self.whitespace { ": " } else { ":" });
    }

    /// Text in quotes.
    pub(super) fn text(&mut self, text: &str) {
        self.out.push(b'"');
        for letter in text.chars() {
            match letter {
                '"' => self.raw("\\\""),
                '\\' => self.raw("\\\\"),
                '\n' => self.raw("\\n"),
                '\r' => self.raw("\\r"),
                '\t' => self.raw("\\t"),
                '\u{8}' => self.raw("\\b"),
                '\u{c}' => self.raw("\\f"),
                _ if is_escaped(letter) => {
                    let mut units = [0; 2];
                    for unit in letter.encode_utf16(&mut units) {
                        self.raw(&format!("\\u{unit:04x}"));
                    }
                }
                _ => self.raw(letter.encode_utf8(&mut [0; 4])),
            }
        }
        self.out.push(b'"');
    }
}

/// What might mean something else where the JSON lies in a page, and what can't be seen.
fn is_escaped(letter: char) -> bool {
    matches!(u32::from(letter),
        0..=0x1f | 0x3c | 0x3e | 0x7f..=0x9f | 0xad | 0x600..=0x603 | 0x6dd | 0x70f | 0x17b4 | 0x17b5
        | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x2064 | 0x206a..=0x206f | 0xfeff | 0xfff9..=0xfffb
        | 0x1d173..=0x1d17a | 0xe0001 | 0xe0020..=0xe007f)
}
