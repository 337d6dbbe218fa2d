//! METADATA: names and values that belong to a stream and to no message (`allow_metadata`), an extension of Envoy's.
//!
//! The payloads of a block are put together and decoded at its end, with a table that begins empty. Each stream may have
//! `max_metadata_size` bytes of payloads in its life (1 MiB), and what one block decodes to, names that come twice
//! included, is at most four times that, where Envoy has no limit: beyond either, and at a block that cannot be decoded,
//! the connection ends. What comes on a stream that is not open, or that its sender has ended, is skipped, as in Envoy;
//! on stream 0 too, where Envoy decodes it and drops what it finds.

use std::collections::{HashMap, HashSet};

use super::super::error::ConnectionError;
use super::super::event::Event;
use super::super::frame::{FrameHead, HEAD_BYTES, flag, kind};
use super::super::hpack::Decoder;
use super::super::stream_id::StreamId;
use super::super::streams::mark;
use super::Connection;
use super::step::Advance;
use crate::header_block::write_text;

/// Names and values, each name once.
pub type Metadata = Vec<(Vec<u8>, Vec<u8>)>;

/// Size of the table of one block.
const TABLE_BYTES: usize = 4096;
/// How many times as large as its payload may be a block may become.
const MAX_GROWTH: usize = 4;
/// The longest frame that is sent.
const MAX_SENT_PAYLOAD: usize = 16 * 1024;

/// What has come of METADATA.
#[derive(Default)]
pub(super) struct Came {
    /// The streams that have had some.
    streams: HashMap<u32, OfStream>,
    told: Option<Metadata>,
}

#[derive(Default)]
struct OfStream {
    /// Of the block that has not come to its end.
    payload: Vec<u8>,
    /// Bytes of all payloads.
    total: usize,
}

impl Connection {
    /// Reads a frame of METADATA.
    #[cold]
    pub(super) fn metadata_frame(
        &mut self,
        head: FrameHead,
        input: &[u8],
    ) -> Result<Advance, ConnectionError> {
        let taken = HEAD_BYTES + head.len;
        let Some(payload) = input.get(HEAD_BYTES..taken) else {
            return Ok(None);
        };
        let open = self.streams.get(head.stream);
        if open.is_none_or(|open| open.is(mark::REMOTE_ENDED)) {
            return Ok(Some((taken, None)));
        }
        let max_bytes = self.settings.max_metadata_bytes;
        let came = self.metadata.get_or_insert_default();
        let stream = came.streams.entry(head.stream).or_default();
        stream.total = stream.total.saturating_add(payload.len());
        if stream.total > max_bytes {
            return Err(ConnectionError::Metadata("too much METADATA on a stream"));
        }
        stream.payload.extend_from_slice(payload);
        if !head.has(flag::END_HEADERS) {
            return Ok(Some((taken, None)));
        }
        let block = std::mem::take(&mut stream.payload);
        let metadata = decode(&block, max_bytes)?;
        if metadata.is_empty() {
            self.counts_mut().metadata_empty_frames += 1;
            return Ok(Some((taken, None)));
        }
        came.told = Some(metadata);
        let stream = StreamId(head.stream);
        Ok(Some((taken, Some(Event::Metadata { stream }))))
    }

    /// What [`Event::Metadata`] told of.
    pub fn take_metadata(&mut self) -> Option<Metadata> {
        self.metadata.as_mut()?.told.take()
    }

    /// The stream is over.
    #[cold]
    pub(super) fn forget_metadata(&mut self, stream: u32) {
        if let Some(came) = &mut self.metadata {
            came.streams.remove(&stream);
        }
    }

    /// Sends METADATA, ahead of all that windows keep back. Nothing on a stream that is over or that we have ended, and
    /// nothing to a peer that METADATA is not allowed with.
    #[cold]
    pub fn send_metadata(&mut self, stream: StreamId, metadata: &Metadata, out: &mut Vec<u8>) {
        let open = self.streams.get(stream.0);
        let may_send = open.is_some_and(|open| !open.is(mark::LOCAL_ENDED));
        if !may_send || !self.settings.allow_metadata {
            return;
        }
        let mut block = Vec::new();
        for (name, value) in metadata {
            // Neither in the tables nor for them.
            block.push(0);
            write_text(&mut block, 0, 7, name, true);
            write_text(&mut block, 0, 7, value, true);
        }
        let mut pieces = block.chunks(MAX_SENT_PAYLOAD).peekable();
        while let Some(piece) = pieces.next() {
            let flags = match pieces.peek() {
                Some(_) => 0,
                None => flag::END_HEADERS,
            };
            self.send_frame(kind::METADATA, flags, stream.0, piece, out);
        }
    }
}

fn decode(block: &[u8], max_bytes: usize) -> Result<Metadata, ConnectionError> {
    let mut decoder = Decoder::new(TABLE_BYTES, max_bytes, |_, _, _| true);
    let mut left = max_bytes.saturating_mul(MAX_GROWTH);
    let mut is_too_much = false;
    let mut found: HashSet<Vec<u8>> = HashSet::new();
    let mut metadata = Metadata::new();
    let broken = ConnectionError::Metadata("METADATA cannot be decoded");
    let taken = decoder.decode(block, |field| {
        match left.checked_sub(field.name.len() + field.value.len() + 1) {
            Some(rest) => left = rest,
            None => is_too_much = true,
        }
        if is_too_much {
            return;
        }
        if !found.contains(field.name) {
            found.insert(field.name.to_vec());
            metadata.push((field.name.to_vec(), field.value.to_vec()));
        }
    });
    match taken {
        Ok(taken) if taken == block.len() && !is_too_much => Ok(metadata),
        _ => Err(broken),
    }
}
