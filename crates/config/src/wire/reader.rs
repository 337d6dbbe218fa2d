//! Tags, varints, fixed-width numbers and length-delimited parts.

use super::Broken;

/// What stands behind a tag.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wire<'b> {
    /// Wire types 0, 1 and 5: a number's bits.
    Number(u64),
    /// Wire type 2.
    Bytes(&'b [u8]),
}

/// Reads the fields of one message.
#[derive(Clone, Debug)]
pub(super) struct Reader<'b> {
    rest: &'b [u8],
}

impl<'b> Reader<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Reader<'b> {
        Reader { rest: bytes }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next field's number and value; nothing at the end.
    pub(super) fn next(&mut self) -> Result<Option<(u32, Wire<'b>)>, Broken> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let number =
            u32::try_from(tag >> 3).map_err(|_| Broken::Format("a field number is too large"))?;
        if number == 0 {
            return Err(Broken::Format("a field has the number 0"));
        }
        let value = match tag & 7 {
            0 => Wire::Number(self.varint()?),
            1 => Wire::Number(u64::from_le_bytes(self.fixed::<8>()?)),
            2 => Wire::Bytes(self.delimited()?),
            5 => Wire::Number(u64::from(u32::from_le_bytes(self.fixed::<4>()?))),
            _ => return Err(Broken::Format("groups are not taken")),
        };
        Ok(Some((number, value)))
    }

    pub(super) fn varint(&mut self) -> Result<u64, Broken> {
        let mut value = 0_u64;
        for (index, byte) in self.rest.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                self.rest = self.rest.get(index + 1..).unwrap_or_default();
                return Ok(value);
            }
        }
        Err(Broken::Format("a number does not end"))
    }

    pub(super) fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Broken> {
        let (bytes, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(Broken::Format("the bytes end too early"))?;
        self.rest = rest;
        Ok(*bytes)
    }

    fn delimited(&mut self) -> Result<&'b [u8], Broken> {
        let length = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
        let (bytes, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(Broken::Format("the bytes end too early"))?;
        self.rest = rest;
        Ok(bytes)
    }
}
