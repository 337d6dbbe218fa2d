//! Names and values as plugins and host hand them to each other: their number, the lengths of all, then the bytes, each
//! with a zero behind it.
//!
//! Limits, as in Envoy: 1 MiB and 1,024 pairs; what is longer, or is no such list, is an empty one.

/// The most bytes that are read.
const MAX_BYTES: usize = 1 << 20;
/// The most pairs that are read.
const MAX_PAIRS: usize = 1024;

/// Names and values.
pub(crate) type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

/// The list in bytes.
pub(crate) fn write(pairs: &[(impl AsRef<[u8]>, impl AsRef<[u8]>)]) -> Vec<u8> {
    let mut out = Vec::new();
    let count = u32::try_from(pairs.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&count.to_le_bytes());
    for (name, value) in pairs {
        out.extend_from_slice(&length(name.as_ref()).to_le_bytes());
        out.extend_from_slice(&length(value.as_ref()).to_le_bytes());
    }
    for (name, value) in pairs {
        out.extend_from_slice(name.as_ref());
        out.push(0);
        out.extend_from_slice(value.as_ref());
        out.push(0);
    }
    out
}

/// The list that the bytes are.
pub(crate) fn read(bytes: &[u8]) -> Pairs {
    parse(bytes).unwrap_or_default()
}

fn parse(bytes: &[u8]) -> Option<Pairs> {
    if bytes.len() > MAX_BYTES {
        return None;
    }
    let mut rest = bytes;
    let count = usize::try_from(number(&mut rest)?).ok()?;
    if count > MAX_PAIRS {
        return None;
    }
    let mut lengths = Vec::with_capacity(count);
    for _ in 0..count {
        lengths.push((number(&mut rest)?, number(&mut rest)?));
    }
    let mut pairs = Vec::with_capacity(count);
    for (name, value) in lengths {
        pairs.push((text(&mut rest, name)?, text(&mut rest, value)?));
    }
    rest.is_empty().then_some(pairs)
}

fn number(rest: &mut &[u8]) -> Option<u32> {
    let (number, behind) = rest.split_first_chunk::<4>()?;
    *rest = behind;
    Some(u32::from_le_bytes(*number))
}

fn text(rest: &mut &[u8], length: u32) -> Option<Vec<u8>> {
    let (text, behind) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    let (end, behind) = behind.split_first()?;
    *rest = behind;
    (*end == 0).then(|| text.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else_is() {
        let pairs: Pairs = vec![
            (b"a".to_vec(), b"b\0c".to_vec()),
            (b"".to_vec(), b"".to_vec()),
        ];
        let bytes = write(&pairs);
        assert_eq!(bytes.len(), 4 + 16 + 2 + 4 + 2);
        assert_eq!(read(&bytes), pairs);
        for cut in 0..bytes.len() {
            assert!(read(&bytes[..cut]).is_empty());
        }
        let longer = [&bytes[..], b"x"].concat();
        assert!(read(&longer).is_empty());
        let mut wrong = bytes.clone();
        let last = wrong.len() - 1;
        wrong[last] = 1;
        assert!(read(&wrong).is_empty());
        assert!(read(&u32::MAX.to_le_bytes()).is_empty());
    }
}
