//! Trailers after the last chunk: checked as headers are, kept if configured.

use nuncio_contract::headers::HeaderMap;

use super::error::Error;
use super::fields::{Field, field_at, syntax_error_from};
use super::framing::FramingLines;
use super::head::{end_of_head, has_invalid_characters};
use super::settings::Http1Settings;

/// Reads trailers that begin at the start of `input`. Gives the length of the block
/// with its blank line, or `None` when it is not complete.
pub(super) fn read(
    settings: &Http1Settings,
    input: &[u8],
    trailers: &mut HeaderMap,
) -> Result<Option<usize>, Error> {
    trailers.clear();
    match read_fields(settings, input, trailers) {
        Ok(Some(len)) if len > settings.max_headers_bytes => Err(Error::TrailersTooLarge),
        Err(error) => {
            // What is wrong is told once the block is complete.
            let Some(end) = end_of_head(input, 0) else {
                return Ok(None);
            };
            match has_invalid_characters(input.get(..end).unwrap_or_default()) {
                true => Err(Error::InvalidCharacters),
                false => Err(error),
            }
        }
        done => done,
    }
}

fn read_fields(
    settings: &Http1Settings,
    input: &[u8],
    trailers: &mut HeaderMap,
) -> Result<Option<usize>, Error> {
    let mut at = 0;
    loop {
        match field_at(input, at)? {
            Field::Partial => return Ok(None),
            Field::End(end) => return Ok(Some(end)),
            Field::Header(line, next) => {
                at = next;
                if !settings.enable_trailers || settings.drops_header(line.name)? {
                    continue;
                }
                trailers.append_found(line.known, line.name, &line.value);
                if trailers.len() > settings.max_headers_count {
                    return Err(syntax_error_from(input, at, FramingLines::default())
                        .unwrap_or(Error::TooManyTrailers));
                }
            }
        }
    }
}
