//! Reads BSON, as far as Envoy knows it: no JavaScript, decimals, keys of extremes or pointers.
//!
//! Fields are kept of documents that somebody looks at, and there only as deep as anybody does; the rest is skipped.

/// Something cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

/// A document with more fields that would be kept cannot be read: a field may take 2 bytes of a message, and takes
/// many times that here.
const MAX_FIELDS: usize = 1_000;
/// How deep fields are kept: those of a filter in a query in a document.
const DEEPEST_KEPT: usize = 2;

/// Reads little-endian numbers, texts and documents one behind the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    max_depth: usize,
    /// So many fields may be kept yet; of none at all if documents are skipped.
    room: Option<usize>,
}

/// A document's fields, in their order, if they are kept.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Document<'a> {
    pub(super) fields: Vec<(&'a [u8], Value<'a>)>,
    /// How long it is.
    pub(super) bytes: usize,
}

/// A field's value, as far as anybody asks.
#[derive(Debug, PartialEq)]
pub(super) enum Value<'a> {
    Text(&'a [u8]),
    Integer(i64),
    Document(Document<'a>),
    Array,
    Other,
}

impl<'a> Document<'a> {
    pub(super) fn get(&self, name: &str) -> Option<&Value<'a>> {
        let found = self.fields.iter().find(|(key, _)| *key == name.as_bytes());
        found.map(|(_, value)| value)
    }

    pub(super) fn document(&self, name: &str) -> Option<&Document<'a>> {
        match self.get(name) {
            Some(Value::Document(document)) => Some(document),
            _ => None,
        }
    }

    pub(super) fn text(&self, name: &str) -> Option<&'a [u8]> {
        match self.get(name) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }
}

impl<'a> Reader<'a> {
    pub(super) fn new(rest: &'a [u8], max_depth: usize) -> Self {
        Reader {
            rest,
            max_depth,
            room: None,
        }
    }

    /// What was not read.
    pub(super) fn rest_bytes(&self) -> usize {
        self.rest.len()
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], Unreadable> {
        let (bytes, rest) = self.rest.split_at_checked(count).ok_or(Unreadable)?;
        self.rest = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Unreadable> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(Unreadable)?;
        self.rest = rest;
        Ok(*bytes)
    }

    pub(super) fn int(&mut self) -> Result<i32, Unreadable> {
        self.array().map(i32::from_le_bytes)
    }

    pub(super) fn long(&mut self) -> Result<i64, Unreadable> {
        self.array().map(i64::from_le_bytes)
    }

    /// A length: a number that is not negative.
    fn length(&mut self) -> Result<usize, Unreadable> {
        usize::try_from(self.int()?).map_err(|_| Unreadable)
    }

    /// A text that ends with a zero.
    pub(super) fn name(&mut self) -> Result<&'a [u8], Unreadable> {
        let end = self.rest.iter().position(|byte| *byte == 0);
        let name = self.bytes(end.ok_or(Unreadable)?)?;
        self.bytes(1)?;
        Ok(name)
    }

    /// A text whose length goes before it, and counts its last byte.
    fn text(&mut self) -> Result<&'a [u8], Unreadable> {
        let length = self.length()?;
        let text = self.bytes(length)?;
        Ok(text.split_last().map_or(text, |(_, text)| text))
    }

    /// A document whose fields are kept.
    pub(super) fn document(&mut self) -> Result<Document<'a>, Unreadable> {
        self.room = Some(MAX_FIELDS);
        let document = self.document_at(0);
        self.room = None;
        document
    }

    /// A document that nobody looks at; how long it is.
    pub(super) fn skip_document(&mut self) -> Result<usize, Unreadable> {
        self.document_at(0).map(|document| document.bytes)
    }

    /// Documents up to the end.
    pub(super) fn skip_documents(&mut self) -> Result<(), Unreadable> {
        while !self.is_at_end() {
            self.skip_document()?;
        }
        Ok(())
    }

    /// One within a document, whose fields are not kept.
    fn skipped_at(&mut self, depth: usize) -> Result<Document<'a>, Unreadable> {
        let room = self.room.take();
        let document = self.document_at(depth);
        self.room = room;
        document
    }

    fn document_at(&mut self, depth: usize) -> Result<Document<'a>, Unreadable> {
        if depth > self.max_depth {
            return Err(Unreadable);
        }
        let bytes = self.length()?;
        let content = self.bytes(bytes.checked_sub(4).ok_or(Unreadable)?)?;
        let mut inner = Reader {
            rest: content,
            ..*self
        };
        let mut fields = Vec::new();
        loop {
            let [kind] = inner.array()?;
            if kind == 0 {
                break;
            }
            let name = inner.name()?;
            let value = inner.value(kind, depth)?;
            if let Some(room) = &mut inner.room {
                *room = room.checked_sub(1).ok_or(Unreadable)?;
                fields.push((name, value));
            }
        }
        self.room = inner.room;
        match inner.is_at_end() {
            true => Ok(Document { fields, bytes }),
            false => Err(Unreadable),
        }
    }

    fn value(&mut self, kind: u8, depth: usize) -> Result<Value<'a>, Unreadable> {
        let bytes = match kind {
            0x02 => return self.text().map(Value::Text),
            0x03 if depth < DEEPEST_KEPT => {
                return self.document_at(depth + 1).map(Value::Document);
            }
            0x03 => return self.skipped_at(depth + 1).map(Value::Document),
            0x04 => return self.skipped_at(depth + 1).map(|_| Value::Array),
            0x10 => return self.int().map(|number| Value::Integer(number.into())),
            0x12 => return self.long().map(Value::Integer),
            0x05 => self.length()?.saturating_add(1),
            0x07 => 12,
            0x08 => 1,
            // Numbers with fractions, dates, moments.
            0x01 | 0x09 | 0x11 => 8,
            0x0a => 0,
            0x0b => {
                self.name()?;
                self.name()?;
                0
            }
            0x0e => {
                self.text()?;
                0
            }
            _ => return Err(Unreadable),
        };
        self.bytes(bytes)?;
        Ok(Value::Other)
    }
}
