//! What Envoy counts as header bytes of a head that was refused: those of its headers that were read before it was
//! found wrong, which for most mistakes is none.

use super::error::Error;
use super::fields::{Field, field_at};
use super::head::{HeadScan, received_head_bytes};
use super::scan::line_end;
use super::settings::Http1Settings;

/// Of a request's head.
#[cold]
pub fn refused_header_bytes(
    settings: &Http1Settings,
    input: &[u8],
    scan: &HeadScan,
    error: Error,
) -> usize {
    let head = input.get(scan.start..).unwrap_or_default();
    let drops = |name: &[u8]| settings.drops_header(name);
    counted(settings.max_headers_count, head, error, drops)
}

/// Of a response's head.
#[cold]
pub fn refused_response_header_bytes(
    settings: &Http1Settings,
    input: &[u8],
    error: Error,
) -> usize {
    counted(settings.max_headers_count, input, error, |_| Ok(false))
}

fn counted(
    most: usize,
    head: &[u8],
    error: Error,
    drops: impl Fn(&[u8]) -> Result<bool, Error>,
) -> usize {
    let is_for_one = matches!(error, Error::UnexpectedUnderscore | Error::TooManyHeaders);
    if !is_for_one && !error.is_found_behind_headers() {
        return 0;
    }
    let mut at = line_end(head) + 1;
    let (mut of_headers, mut kept) = (0, 0);
    while let Ok(Field::Header(line, next)) = field_at(head, at) {
        of_headers += line.name.len() + line.value.len() + 3;
        at = next;
        let is_dropped = drops(line.name);
        kept += usize::from(is_dropped == Ok(false));
        if is_for_one && (is_dropped.is_err() || kept > most) {
            // It is done with once the next name is read.
            if let Ok(Field::Header(line, _)) = field_at(head, at) {
                of_headers += line.name.len();
            }
            break;
        }
    }
    received_head_bytes(of_headers)
}
