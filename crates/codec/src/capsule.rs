//! Datagrams as capsules of a stream (RFC 9297, RFC 9298): a type, a length, and for datagrams of UDP a context of 0
//! before what they carry.
//!
//! A capsule of up to 1 MiB is taken, as in Envoy; one that says to be longer is refused at once. Other types and other contexts are skipped; what is no capsule ends
//! the reading for good, and the stream's user decides what that means.

/// The type of a capsule that carries a datagram.
const DATAGRAM: u64 = 0;
/// The context of datagrams of UDP.
const UDP: u64 = 0;
/// The longest capsule.
const MOST_BYTES: usize = 1024 * 1024;

/// The bytes are no capsules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotACapsule;

/// Appends a datagram as a capsule.
pub fn encode_datagram(payload: &[u8], out: &mut Vec<u8>) {
    let length = u64::try_from(payload.len()).unwrap_or(u64::MAX);
    out.reserve(payload.len().saturating_add(10));
    put_integer(DATAGRAM, out);
    put_integer(length.saturating_add(1), out);
    put_integer(UDP, out);
    out.extend_from_slice(payload);
}

/// Appends an integer of variable length (RFC 9000, section 16).
fn put_integer(value: u64, out: &mut Vec<u8>) {
    let bytes = value.to_be_bytes();
    let (from, prefix) = match value {
        0..0x40 => (7, 0x00),
        0x40..0x4000 => (6, 0x40),
        0x4000..0x4000_0000 => (4, 0x80),
        _ => (0, 0xc0),
    };
    let begin = out.len();
    out.extend_from_slice(bytes.get(from..).unwrap_or_default());
    if let Some(first) = out.get_mut(begin) {
        *first |= prefix;
    }
}

/// Takes an integer off the front; none if it is not there whole.
fn take_integer(bytes: &mut &[u8]) -> Option<u64> {
    let first = *bytes.first()?;
    let length = 1_usize << (first >> 6);
    let (own, rest) = bytes.split_at_checked(length)?;
    let value = own.iter().enumerate().fold(0_u64, |value, (at, byte)| {
        let byte = if at == 0 { byte & 0x3f } else { *byte };
        value << 8 | u64::from(byte)
    });
    *bytes = rest;
    Some(value)
}

/// What a capsule begins with.
struct Head {
    kind: u64,
    /// Of itself.
    bytes: usize,
    /// Of what comes behind it.
    length: usize,
}

impl Head {
    /// None if it is not there whole.
    fn read(bytes: &[u8]) -> Result<Option<Self>, NotACapsule> {
        let mut rest = bytes;
        let (Some(kind), Some(length)) = (take_integer(&mut rest), take_integer(&mut rest)) else {
            return Ok(None);
        };
        let length = usize::try_from(length).map_err(|_| NotACapsule)?;
        match length <= MOST_BYTES {
            true => Ok(Some(Head {
                kind,
                bytes: bytes.len() - rest.len(),
                length,
            })),
            false => Err(NotACapsule),
        }
    }
}

/// Reads datagrams from a stream's bytes, in whatever pieces they come.
#[derive(Debug, Default)]
pub struct CapsuleReader {
    /// The beginning of a capsule that is not there whole: of its head, or of one with a datagram.
    begun: Vec<u8>,
    /// How long that one's head is and how long it becomes, once its head is there.
    wanted: Option<(usize, usize)>,
    /// How much is still to come of one that is skipped.
    skipped: usize,
    has_failed: bool,
}

impl CapsuleReader {
    /// Whether a capsule has begun that is not there whole.
    #[must_use]
    pub fn is_amid_capsule(&self) -> bool {
        !self.begun.is_empty() || self.skipped > 0
    }

    /// Takes more bytes; gives each datagram of UDP that they complete.
    ///
    /// # Errors
    /// They are no capsules, or were none before.
    pub fn read(
        &mut self,
        bytes: &[u8],
        on_datagram: &mut dyn FnMut(&[u8]),
    ) -> Result<(), NotACapsule> {
        if self.has_failed {
            return Err(NotACapsule);
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let read = match (self.skipped, self.begun.is_empty()) {
                (1.., _) => {
                    let count = self.skipped.min(rest.len());
                    self.skipped -= count;
                    rest = rest.get(count..).unwrap_or_default();
                    Ok(())
                }
                (0, true) => self.begin(&mut rest, on_datagram),
                (0, false) => self.go_on(&mut rest, on_datagram),
            };
            if read.is_err() {
                self.has_failed = true;
                self.begun = Vec::new();
                return read;
            }
        }
        Ok(())
    }

    /// Reads one from its beginning on.
    fn begin(
        &mut self,
        bytes: &mut &[u8],
        on_datagram: &mut dyn FnMut(&[u8]),
    ) -> Result<(), NotACapsule> {
        let Some(head) = Head::read(bytes)? else {
            self.begun = std::mem::take(bytes).to_vec();
            return Ok(());
        };
        let behind = bytes.get(head.bytes..).unwrap_or_default();
        if head.kind != DATAGRAM {
            self.skipped = head.length;
            *bytes = behind;
        } else if let Some((value, rest)) = behind.split_at_checked(head.length) {
            give(value, on_datagram)?;
            *bytes = rest;
        } else {
            self.wanted = Some((head.bytes, head.bytes + head.length));
            self.begun = std::mem::take(bytes).to_vec();
        }
        Ok(())
    }

    /// Reads on in the one that has begun.
    fn go_on(
        &mut self,
        bytes: &mut &[u8],
        on_datagram: &mut dyn FnMut(&[u8]),
    ) -> Result<(), NotACapsule> {
        let wanted = match self.wanted {
            Some((_, whole)) => whole,
            // One byte after another, for what is behind the head may be none of it.
            None => self.begun.len() + 1,
        };
        let missing = wanted.saturating_sub(self.begun.len());
        let (own, rest) = bytes.split_at(missing.min(bytes.len()));
        self.begun.extend_from_slice(own);
        *bytes = rest;
        if self.wanted.is_none()
            && let Some(head) = Head::read(&self.begun)?
        {
            if head.kind != DATAGRAM {
                self.skipped = head.length;
                self.begun = Vec::new();
                return Ok(());
            }
            self.wanted = Some((head.bytes, head.bytes + head.length));
        }
        match self.wanted {
            Some((head, whole)) if self.begun.len() == whole => {
                self.wanted = None;
                let begun = std::mem::take(&mut self.begun);
                give(begun.get(head..).unwrap_or_default(), on_datagram)
            }
            _ => Ok(()),
        }
    }
}

/// Gives the datagram in a capsule, if it is one of UDP.
fn give(mut value: &[u8], on_datagram: &mut dyn FnMut(&[u8])) -> Result<(), NotACapsule> {
    match take_integer(&mut value) {
        Some(UDP) => {
            on_datagram(value);
            Ok(())
        }
        Some(_) => Ok(()),
        None => Err(NotACapsule),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(reader: &mut CapsuleReader, bytes: &[u8]) -> Result<Vec<Vec<u8>>, NotACapsule> {
        let mut all = Vec::new();
        reader.read(bytes, &mut |datagram| all.push(datagram.to_vec()))?;
        Ok(all)
    }

    #[test]
    fn a_datagram_has_a_type_a_length_and_a_context() {
        let mut out = Vec::new();
        encode_datagram(b"hello", &mut out);
        assert_eq!(out, b"\x00\x06\x00hello");
        let mut long = Vec::new();
        encode_datagram(&[7; 100], &mut long);
        assert_eq!(long[..4], [0x00, 0x40, 101, 0x00]);
        let mut longer = Vec::new();
        encode_datagram(&[7; 20_000], &mut longer);
        assert_eq!(longer[..6], [0x00, 0x80, 0x00, 0x4e, 0x21, 0x00]);
    }

    #[test]
    fn capsules_are_read_in_any_pieces() {
        let mut stream = Vec::new();
        encode_datagram(b"one", &mut stream);
        // Another type, and another context.
        stream.extend_from_slice(b"\x17\x02ab\x00\x03\x02no");
        encode_datagram(b"", &mut stream);
        encode_datagram(&[b'x'; 300], &mut stream);
        let wanted = [b"one".to_vec(), Vec::new(), vec![b'x'; 300]];
        for size in [1, 2, 3, 7, 1000] {
            let mut reader = CapsuleReader::default();
            let each = stream.chunks(size);
            let read = each.flat_map(|piece| read(&mut reader, piece).unwrap());
            assert_eq!(read.collect::<Vec<_>>(), wanted, "pieces of {size}");
        }
    }

    #[test]
    fn what_is_no_capsule_ends_the_reading() {
        let mut reader = CapsuleReader::default();
        // A datagram without a context.
        assert_eq!(read(&mut reader, b"\x00\x00"), Err(NotACapsule));
        assert_eq!(read(&mut reader, b"\x00\x02\x00a"), Err(NotACapsule));
    }

    #[test]
    fn a_capsule_is_no_longer_than_the_limit() {
        let mut reader = CapsuleReader::default();
        let declared =
            |length: u32| [b"\x17".as_slice(), &(length | 0x8000_0000).to_be_bytes()].concat();
        assert_eq!(read(&mut reader, &declared(1 << 20)), Ok(vec![]));
        assert!(reader.is_amid_capsule());
        // What is skipped is not held.
        assert_eq!(read(&mut reader, &vec![0; 1 << 20]), Ok(vec![]));
        assert!(!reader.is_amid_capsule() && reader.begun.capacity() == 0);
        assert_eq!(
            read(&mut reader, &declared((1 << 20) + 1)),
            Err(NotACapsule)
        );
    }
}
