//! The peer's message on the stream of a request, as its bytes come.

use std::rc::Rc;

use nuncio_contract::headers::HeaderMap;

use super::error::Http3Error;
use super::event::{Event, Step};
use super::settings::Http3Settings;

/// Reads one request, or the heads and the body of one response.
pub struct MessageReader {
    _settings: Rc<Http3Settings>,
}

impl MessageReader {
    /// Reads a request, at a server.
    pub fn request(settings: Rc<Http3Settings>) -> Self {
        Self {
            _settings: settings,
        }
    }

    /// Reads the response to this request, at a client.
    pub fn response(settings: Rc<Http3Settings>, _request: &HeaderMap) -> Self {
        Self {
            _settings: settings,
        }
    }

    /// Takes one step over the bytes at the front of what was read. Call it until it says [`Event::NeedMore`]; it keeps
    /// what it needs of bytes that are cut off, so the caller keeps none. `fin`: the stream ends behind the input.
    ///
    /// `headers` is reset when a head or trailers are told, and holds them; it may be reset in other steps as well.
    ///
    /// # Errors
    /// The stream or the connection is over; call it no more.
    pub fn step(
        &mut self,
        input: &[u8],
        _fin: bool,
        _headers: &mut HeaderMap,
    ) -> Result<Step, Http3Error> {
        Ok(Step {
            consumed: input.len(),
            event: Event::NeedMore,
        })
    }

    /// Whether the end of the message was told.
    pub fn has_ended(&self) -> bool {
        false
    }

    /// How many bytes of names and values were read of a block of headers that was refused for what is in it, or whose
    /// end has not come.
    pub fn take_lost_bytes(&mut self) -> usize {
        0
    }

    /// How many headers were dropped for underscores in their names since the last time
    /// (`http3.dropped_headers_with_underscores`).
    pub fn take_dropped_underscores(&mut self) -> u32 {
        0
    }
}
