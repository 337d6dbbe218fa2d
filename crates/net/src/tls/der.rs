//! Reading DER: tags, lengths and contents, one after another.
//!
//! For the few structures that no library at hand reads: OCSP responses, sealed keys, PKCS#12. Lengths must be
//! definite, and tags fit a byte.

/// What is left of a sequence of values.
#[derive(Clone, Copy, Debug)]
pub(super) struct Der<'a>(&'a [u8]);

pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OID: u8 = 0x06;
pub(super) const ENUMERATED: u8 = 0x0a;
pub(super) const GENERALIZED_TIME: u8 = 0x18;
pub(super) const SEQUENCE: u8 = 0x30;
/// `[0]`, `[1]` and `[2]` around a value.
pub(super) const CONTEXT: [u8; 3] = [0xa0, 0xa1, 0xa2];

impl<'a> Der<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Der(bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The tag of the next value.
    pub(super) fn tag(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// The next value: its tag, and what is in it.
    pub(super) fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (tag, rest) = self.0.split_first()?;
        let (first, rest) = rest.split_first()?;
        let (length, rest) = match *first {
            short @ 0..=0x7f => (usize::from(short), rest),
            0x81..=0x84 => {
                let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                let length = digits.iter().try_fold(0_usize, |sum, digit| {
                    Some(sum.checked_mul(256)? | usize::from(*digit))
                });
                (length?, rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((*tag, content))
    }

    /// What is in the next value, which must have this tag.
    pub(super) fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        match self.tag() {
            Some(found) if found == tag => self.next().map(|(_, content)| content),
            _ => None,
        }
    }

    /// The values within the next one, which must have this tag.
    pub(super) fn enter(&mut self, tag: u8) -> Option<Der<'a>> {
        self.expect(tag).map(Der)
    }

    /// A small positive number.
    pub(super) fn number(&mut self) -> Option<u32> {
        let digits = self.expect(INTEGER)?;
        digits.iter().try_fold(0_u32, |sum, digit| {
            Some(sum.checked_mul(256)? | u32::from(*digit))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_one_after_another() {
        let bytes = [0x30, 0x06, 0x02, 0x01, 0x05, 0x04, 0x01, 0xff];
        let mut inside = Der::new(&bytes).enter(SEQUENCE).expect("a sequence");
        assert_eq!(inside.number(), Some(5));
        assert_eq!(inside.expect(INTEGER), None);
        assert_eq!(inside.expect(OCTET_STRING), Some([0xff].as_slice()));
        assert!(inside.is_empty());
    }

    #[test]
    fn what_is_cut_short_or_has_no_length_is_no_value() {
        for bytes in [
            [].as_slice(),
            &[0x30],
            &[0x30, 0x02, 0x01],
            &[0x30, 0x80, 0, 0],
            &[0x30, 0x82, 0x01],
            &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
        ] {
            assert!(Der::new(bytes).next().is_none(), "{bytes:x?}");
        }
    }
}
