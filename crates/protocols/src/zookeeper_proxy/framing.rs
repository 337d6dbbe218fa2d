//! Whole packets out of what arrives in pieces.

/// What can be read now.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Whole {
    /// What has come, to the last byte.
    pub(super) data: Vec<u8>,
    /// How much of it is whole packets.
    pub(super) whole_bytes: usize,
}

/// Keeps the beginning of a packet until the rest comes.
#[derive(Debug, Default)]
pub(super) struct Framing {
    kept: Vec<u8>,
}

impl Framing {
    /// Adds `new`; the packets that are whole with it, if any are.
    ///
    /// # Errors
    /// A packet has more than `max_bytes` or less than `least_bytes`, or less than its length has come of one: all
    /// that has come is forgotten.
    pub(super) fn push(
        &mut self,
        new: &[u8],
        least_bytes: usize,
        max_bytes: usize,
    ) -> Result<Option<Whole>, ()> {
        let mut data = std::mem::take(&mut self.kept);
        data.extend_from_slice(new);
        let mut whole_bytes = 0;
        while let Some(rest) = data.get(whole_bytes..).filter(|rest| !rest.is_empty()) {
            let length = rest.first_chunk().map(|bytes| i32::from_be_bytes(*bytes));
            let length = usize::try_from(length.ok_or(())?).map_err(|_| ())?;
            if length < least_bytes || length > max_bytes {
                return Err(());
            }
            if rest.len() < length + 4 {
                break;
            }
            whole_bytes += length + 4;
        }
        if whole_bytes == 0 {
            self.kept = data;
            return Ok(None);
        }
        Ok(Some(Whole { data, whole_bytes }))
    }

    /// Keeps what of a packet has come behind those that are whole.
    pub(super) fn keep_rest(&mut self, whole: &Whole) {
        let rest = whole.data.get(whole.whole_bytes..).unwrap_or_default();
        self.kept = rest.to_vec();
    }
}
