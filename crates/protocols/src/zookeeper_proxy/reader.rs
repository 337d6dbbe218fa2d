//! Reads the parts of packets: big-endian numbers, and texts with their length before them.
//!
//! What is skipped need not be there, as in Envoy; what is read must be, and all of a packet together may be no longer
//! than the limit.

/// Something cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

/// Reads behind an offset.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    data: &'a [u8],
    offset: usize,
    /// What was read of the packet.
    used: usize,
    limit: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(data: &'a [u8], limit: usize) -> Self {
        Reader {
            data,
            offset: 0,
            used: 0,
            limit,
        }
    }

    /// Where it is; may be beyond the end.
    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    /// Another packet begins here.
    pub(super) fn begin(&mut self) {
        self.used = 0;
    }

    /// Goes on from here.
    pub(super) fn set_offset(&mut self, offset: usize) {
        self.offset = offset;
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Unreadable> {
        self.used = self.used.saturating_add(N);
        if self.used > self.limit {
            return Err(Unreadable);
        }
        let rest = self.data.get(self.offset..).ok_or(Unreadable)?;
        let bytes = rest.first_chunk().ok_or(Unreadable)?;
        self.offset += N;
        Ok(*bytes)
    }

    pub(super) fn int(&mut self) -> Result<i32, Unreadable> {
        self.array().map(i32::from_be_bytes)
    }

    pub(super) fn long(&mut self) -> Result<i64, Unreadable> {
        self.array().map(i64::from_be_bytes)
    }

    pub(super) fn bool(&mut self) -> Result<bool, Unreadable> {
        let [byte] = self.array()?;
        Ok(byte != 0)
    }

    /// What old peers do not say.
    pub(super) fn bool_if_there(&mut self) -> Result<bool, Unreadable> {
        match self.offset < self.data.len() {
            true => self.bool(),
            false => Ok(false),
        }
    }

    pub(super) fn text(&mut self) -> Result<&'a [u8], Unreadable> {
        let length = usize::try_from(self.int()?).map_err(|_| Unreadable)?;
        self.used = self.used.saturating_add(length);
        if self.used > self.limit {
            return Err(Unreadable);
        }
        let rest = self.data.get(self.offset..).ok_or(Unreadable)?;
        let text = rest.get(..length).ok_or(Unreadable)?;
        self.offset += length;
        Ok(text)
    }

    pub(super) fn skip(&mut self, bytes: usize) {
        self.offset = self.offset.saturating_add(bytes);
        self.used = self.used.saturating_add(bytes);
    }

    /// Skips a text, of which only the length must be there; one of a negative length is none.
    pub(super) fn skip_text(&mut self) -> Result<(), Unreadable> {
        let length = self.int()?;
        self.skip(usize::try_from(length).unwrap_or(0));
        Ok(())
    }

    /// Skips a list of texts.
    pub(super) fn skip_texts(&mut self) -> Result<(), Unreadable> {
        let count = self.int()?;
        for _ in 0..count.max(0) {
            self.skip_text()?;
        }
        Ok(())
    }
}
