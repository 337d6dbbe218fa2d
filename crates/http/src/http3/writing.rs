//! A stream's answer on its way into QUIC.

use std::task::Poll;

use nuncio_codec::http3::{write_data_head, write_head, write_trailers};
use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::HeaderMap;
use nuncio_net::quic::{Connection as Quic, StreamId};

use super::mailbox::Mailbox;

/// What of the answer QUIC has not taken yet.
#[derive(Default)]
pub(super) struct Answer {
    bytes: Buffer,
    /// Whether nothing comes behind the bytes.
    is_complete: bool,
    /// Whether QUIC knows that.
    is_finished: bool,
}

impl Answer {
    pub(super) fn head(&mut self, mailbox: &Mailbox, head: &HeaderMap, end_stream: bool) {
        let mut bytes = Vec::new();
        let size = write_head(head, &mut bytes);
        self.add_block(mailbox, &bytes, size.decoded);
        self.is_complete |= end_stream;
    }

    pub(super) fn data(&mut self, mailbox: &Mailbox, chunk: Buffer, end_stream: bool) {
        if !chunk.is_empty() {
            let mut head = Vec::new();
            write_data_head(chunk.len(), &mut head);
            mailbox
                .link
                .meter(|bytes| bytes.wire_bytes_sent += count(head.len() + chunk.len()));
            self.bytes.extend(&head);
            self.bytes.append(chunk);
        }
        self.is_complete |= end_stream;
    }

    pub(super) fn trailers(&mut self, mailbox: &Mailbox, trailers: &HeaderMap) {
        let mut bytes = Vec::new();
        let size = write_trailers(trailers, &mut bytes);
        self.add_block(mailbox, &bytes, size.decoded);
        self.is_complete = true;
    }

    pub(super) fn end(&mut self) {
        self.is_complete = true;
    }

    fn add_block(&mut self, mailbox: &Mailbox, block: &[u8], decoded: usize) {
        mailbox.link.meter(|bytes| {
            bytes.wire_bytes_sent += count(block.len());
            bytes.header_bytes_sent += count(block.len());
            bytes.decompressed_header_bytes_sent += count(decoded);
        });
        self.bytes.extend(block);
    }

    /// Bytes that QUIC has not taken.
    pub(super) fn left(&self) -> usize {
        self.bytes.len()
    }

    /// Whether QUIC has all of it.
    pub(super) fn is_finished(&self) -> bool {
        self.is_finished
    }

    /// Gives QUIC what it takes; ready when nothing is left. A stream that the client does not want any more takes
    /// everything.
    pub(super) fn poll_send(&mut self, quic: &Quic, id: StreamId) -> Poll<()> {
        let mut has_written = false;
        while !self.bytes.is_empty() {
            let sent = match quic.send(id, self.bytes.readable()) {
                Ok(0) => {
                    if has_written {
                        quic.wake();
                    }
                    return Poll::Pending;
                }
                Ok(sent) => sent,
                Err(_) => self.bytes.len(),
            };
            has_written = true;
            self.bytes.advance(sent);
        }
        if self.is_complete && !self.is_finished {
            self.is_finished = true;
            quic.finish(id);
            has_written = true;
        }
        if has_written {
            quic.wake();
        }
        Poll::Ready(())
    }
}

pub(super) fn count(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
