//! A connection's bytes and the codec's state, whichever side we are.
//!
//! Reads are of 64 KiB. Streams hold their data back while 64 KiB wait to be written.

use std::task::{Context, Poll, ready};

use nuncio_codec::http2::{Connection as Codec, ConnectionError, Step};
use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::{HeaderMap, MapKind};
use nuncio_net::transport::Transport;

/// Room of a read.
const READ_BYTES: usize = 64 * 1024;
/// Written but unsent bytes above which streams wait with their data.
const HIGH_WATERMARK_BYTES: usize = 64 * 1024;
/// Room asked for before something is encoded; more makes the buffer grow.
const WRITE_ROOM_BYTES: usize = 4 * 1024;

/// One connection's bytes.
pub struct Wire {
    /// None once the connection has ended.
    transport: Option<Transport>,
    /// The codec's state.
    pub codec: Codec,
    input: Buffer,
    output: Buffer,
    has_written: bool,
    /// What the codec decodes heads into.
    pub headers: HeaderMap,
}

impl Wire {
    /// `input` is what was read already.
    pub fn new(
        transport: Transport,
        make: impl FnOnce(&mut Vec<u8>) -> Codec,
        input: Buffer,
    ) -> Self {
        let mut output = Buffer::new();
        let codec = make(output.vec_mut(WRITE_ROOM_BYTES));
        Wire {
            transport: Some(transport),
            codec,
            input,
            output,
            has_written: false,
            headers: HeaderMap::new(MapKind::Request),
        }
    }

    /// The codec's next step over what was read.
    pub fn step(&mut self) -> Result<Step, ConnectionError> {
        let out = self.output.vec_mut(WRITE_ROOM_BYTES);
        self.codec
            .step(self.input.readable(), &mut self.headers, out)
    }

    /// Bytes of the input.
    pub fn bytes(&self, range: std::ops::Range<usize>) -> &[u8] {
        self.input.readable().get(range).unwrap_or_default()
    }

    /// Takes what a step was about off the input.
    pub fn advance(&mut self, count: usize) {
        self.input.advance(count);
    }

    /// Calls `encode` with the codec and what it appends to.
    pub fn encode<T>(&mut self, encode: impl FnOnce(&mut Codec, &mut Vec<u8>) -> T) -> T {
        encode(&mut self.codec, self.output.vec_mut(WRITE_ROOM_BYTES))
    }

    /// How much waits to be written behind what the connection itself began with; 0 until that is written.
    pub fn unwritten(&self) -> usize {
        match self.has_written {
            true => self.output.len(),
            false => 0,
        }
    }

    /// Takes back what was encoded since so much waited to be written.
    pub fn take_back(&mut self, unwritten: usize) {
        let surplus = self.output.len().saturating_sub(unwritten);
        let out = self.output.vec_mut(0);
        out.truncate(out.len().saturating_sub(surplus));
    }

    /// Whether something waits to be written.
    pub fn has_output(&self) -> bool {
        !self.output.is_empty()
    }

    /// Whether so much waits to be written that streams wait with their data.
    pub fn is_full(&self) -> bool {
        self.output.len() >= HIGH_WATERMARK_BYTES
    }

    /// How much more may wait to be written before streams wait with their data; none if they do.
    pub fn room(&self) -> Option<usize> {
        HIGH_WATERMARK_BYTES
            .checked_sub(self.output.len())
            .filter(|room| *room > 0)
    }

    /// Reads some; how much. 0 is the end.
    pub fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<usize>> {
        match &mut self.transport {
            Some(transport) => transport.poll_fill(cx, &mut self.input, READ_BYTES),
            None => Poll::Ready(Ok(0)),
        }
    }

    /// Writes what waits to be; how much of it has gone now. Pending while the client does not read.
    pub fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        sent: &mut usize,
    ) -> Poll<std::io::Result<()>> {
        let Some(transport) = &mut self.transport else {
            self.output.clear();
            return Poll::Ready(Ok(()));
        };
        while !self.output.is_empty() {
            let count = ready!(transport.poll_write(cx, self.output.readable()))?;
            if count == 0 {
                return Poll::Ready(Err(std::io::ErrorKind::WriteZero.into()));
            }
            self.output.advance(count);
            self.has_written = true;
            self.codec.written(count);
            *sent += count;
        }
        self.output.release_if_empty();
        transport.poll_flush(cx)
    }

    /// Closes the connection.
    pub fn close(&mut self) {
        self.transport = None;
        self.input.clear();
        self.output.clear();
    }

    /// Whether nothing was read that the codec has not seen.
    pub fn is_input_empty(&self) -> bool {
        self.input.is_empty()
    }

    /// Drops what has come.
    pub fn forget_input(&mut self) {
        self.input.clear();
    }
}
