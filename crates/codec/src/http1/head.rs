//! Finding the end of a head in bytes that arrive in pieces, without starting
//! over at each piece.

use memchr::memchr;
use nuncio_contract::headers::HeaderMap;

use super::error::Error;
use super::scan::line_end;
use super::version::Version;

/// How far the search for the end of a head has come. One for each message;
/// the bytes given must begin at the same place each time.
#[derive(Clone, Copy, Debug, Default)]
pub struct HeadScan {
    /// Where the first line begins, as far as is known: what is before is empty lines.
    pub(super) start: usize,
    /// All before this was searched. 0 until a first look found the head incomplete.
    searched: usize,
    /// Whether the first line is complete.
    has_line: bool,
    /// The version of a head all of whose lines are well-formed, whatever else is wrong with it.
    pub(super) version: Option<Version>,
    /// Headers that were dropped because of an underscore.
    pub(super) dropped_underscores: u32,
    /// Whether the connection is encrypted, so that a target may say `https` wherever that is checked.
    pub(super) encrypted: bool,
}

impl HeadScan {
    /// For a request on a connection that is encrypted or not.
    pub fn on_connection(encrypted: bool) -> Self {
        HeadScan {
            encrypted,
            ..HeadScan::default()
        }
    }

    /// How many headers were dropped because of an underscore, also of a request that was refused; counted by
    /// `http1.dropped_headers_with_underscores`.
    pub fn dropped_underscores(&self) -> u32 {
        self.dropped_underscores
    }

    /// The version of a request that was refused, where an answer may be in it.
    pub fn version(&self) -> Version {
        self.version.unwrap_or(Version::Http11)
    }

    /// Whether it is worth reading the head: on the first look, when its first line has
    /// become complete, and when its end has come.
    #[inline]
    pub(super) fn is_worth_reading(&self, input: &[u8]) -> bool {
        match self {
            HeadScan { searched: 0, .. } => true,
            HeadScan {
                has_line: false, ..
            } => {
                let new = input.get(self.searched..).unwrap_or_default();
                memchr(b'\n', new).is_some()
            }
            _ => end_of_head(input, self.searched).is_some(),
        }
    }

    /// Skips empty lines before the first line (RFC 9112 section 2.2); the offset of
    /// the first line, or `None` when it has not begun.
    #[inline]
    pub(super) fn skip_empty_lines(&mut self, input: &[u8]) -> Option<usize> {
        let rest = input.get(self.start..).unwrap_or_default();
        let empty = rest
            .iter()
            .position(|byte| !matches!(byte, b'\r' | b'\n'))
            .unwrap_or(rest.len());
        self.start += empty;
        (empty < rest.len()).then_some(self.start)
    }

    /// Notes that the head is not complete. Refuses one that can no longer fit.
    pub(super) fn incomplete(&mut self, input: &[u8], limit: usize) -> Result<(), Error> {
        let new = input.get(self.searched.max(self.start)..);
        self.has_line |= new.is_some_and(|new| memchr(b'\n', new).is_some());
        // The last bytes are looked at again: a line end may be cut in two.
        let again = input
            .len()
            .saturating_sub(if self.has_line { 2 } else { 0 });
        self.searched = self.searched.max(again.max(self.start).max(1));
        if input.len() >= limit.saturating_add(self.start) {
            return Err(Error::HeadersTooLarge);
        }
        Ok(())
    }
}

/// What Envoy counts as header bytes of a head that was sent: for each header its name, its value and 4.
pub fn sent_header_bytes(head: &[u8]) -> usize {
    let first_line = head.len().min(line_end(head) + 1);
    head.len().saturating_sub(first_line + 2)
}

/// What Envoy counts as header bytes of a head that has come, from what its headers are counted with: one without
/// any counts the 3 of a header all the same.
pub(super) fn received_head_bytes(of_headers: usize) -> usize {
    of_headers.max(3)
}

/// What Envoy counts as header bytes of trailers that have come: for each its name, its value and 3.
pub fn received_header_bytes(trailers: &HeaderMap) -> usize {
    let trailers = trailers.iter_regular();
    trailers
        .map(|header| header.name.len() + header.value.len() + 3)
        .sum()
}

/// Whether a line that begins here is empty.
pub(super) enum Blank {
    /// It is; what follows begins at this offset.
    Yes(usize),
    No,
    /// It cannot be told before more arrives.
    Unknown,
}

#[inline]
pub(super) fn blank_line_at(input: &[u8], at: usize) -> Blank {
    match input.get(at) {
        Some(b'\n') => Blank::Yes(at + 1),
        Some(b'\r') => match input.get(at + 1) {
            Some(b'\n') => Blank::Yes(at + 2),
            Some(_) => Blank::No,
            None => Blank::Unknown,
        },
        Some(_) => Blank::No,
        None => Blank::Unknown,
    }
}

/// Where the head that begins at `start` ends, if its end is there.
pub(super) fn end_of_head(input: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    loop {
        at += memchr(b'\n', input.get(at..)?)? + 1;
        match blank_line_at(input, at) {
            Blank::Yes(end) => return Some(end),
            Blank::No => {}
            Blank::Unknown => return None,
        }
    }
}

/// Control characters make a head invalid before anything else does.
pub(super) fn has_invalid_characters(head: &[u8]) -> bool {
    // A fold without an early exit, so that it compiles to vector code.
    head.iter().fold(false, |bad, &byte| {
        let kept = (byte == b'\t') | (byte == b'\n') | (byte == b'\r');
        bad | ((byte < 0x20) & !kept) | (byte == 0x7f)
    })
}

/// Up to the first white space, and from after it on. Control characters count as
/// white space here; those that Envoy refuses make the head invalid by themselves.
#[inline]
pub(super) fn split_at_white_space(line: &[u8]) -> (&[u8], &[u8]) {
    let end = line.iter().position(|byte| *byte <= b' ');
    let (word, rest) = line.split_at(end.unwrap_or(line.len()));
    let next = rest.iter().position(|byte| *byte > b' ');
    (word, rest.split_at(next.unwrap_or(rest.len())).1)
}

/// Whatever else is wrong, a head that is too long or holds control characters is
/// refused for that. `None` when the head is not complete.
#[cold]
pub(super) fn first_error(input: &[u8], start: usize, limit: usize, error: Error) -> Option<Error> {
    let end = end_of_head(input, start)?;
    if end > limit {
        return Some(Error::HeadersTooLarge);
    }
    let head = input.get(start..end).unwrap_or_default();
    match has_invalid_characters(head) {
        true => Some(Error::InvalidCharacters),
        false => Some(error),
    }
}
