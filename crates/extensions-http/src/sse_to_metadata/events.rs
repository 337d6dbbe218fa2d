//! Events in a stream of bytes, as the HTML standard has them: lines end with CR, LF or both, an empty one ends an event.

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The first complete event in `buffer`, and how many bytes it takes with what ends it; none if there is none yet.
/// Scanning goes on at `scanned`, the beginning of a line of the event that was not complete before.
pub(super) fn first<'b>(
    buffer: &'b [u8],
    scanned: &mut usize,
    is_last: bool,
) -> Option<(&'b [u8], usize)> {
    let begin = match buffer.starts_with(BYTE_ORDER_MARK) {
        true => BYTE_ORDER_MARK.len(),
        false => 0,
    };
    let mut at = (*scanned).max(begin);
    while let Some(rest) = buffer.get(at..).filter(|rest| !rest.is_empty()) {
        let Some((line, taken)) = line(rest, is_last) else {
            break;
        };
        if line.is_empty() {
            *scanned = 0;
            return Some((buffer.get(begin..at).unwrap_or_default(), at + taken));
        }
        at += taken;
    }
    *scanned = at;
    None
}

/// The data of an event, its lines joined; none if it has none.
pub(super) fn data(event: &[u8]) -> Option<Vec<u8>> {
    let mut data: Option<Vec<u8>> = None;
    let mut rest = event;
    while !rest.is_empty() {
        let Some((line, taken)) = line(rest, true) else {
            break;
        };
        rest = rest.get(taken..).unwrap_or_default();
        let colon = line.iter().position(|byte| *byte == b':');
        let (name, value) = line.split_at(colon.unwrap_or(line.len()));
        if name != b"data" {
            continue;
        }
        let value = value.strip_prefix(b":").unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match &mut data {
            None => data = Some(value.to_vec()),
            Some(data) => {
                data.push(b'\n');
                data.extend_from_slice(value);
            }
        }
    }
    data
}

/// The first line, and how many bytes it takes with its end; none if that is not there yet, or may be half there.
fn line(bytes: &[u8], is_last: bool) -> Option<(&[u8], usize)> {
    let end = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
    let Some(end) = end else {
        return is_last.then_some((bytes, bytes.len()));
    };
    let line = bytes.get(..end)?;
    match (bytes.get(end), bytes.get(end + 1)) {
        (Some(b'\r'), Some(b'\n')) => Some((line, end + 2)),
        (Some(b'\r'), None) if !is_last => None,
        _ => Some((line, end + 1)),
    }
}
