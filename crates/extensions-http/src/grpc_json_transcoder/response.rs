//! Frames of a response on their way to JSON, or to the body that an `HttpBody` holds.

use nuncio_contract::local_reply::LocalReply;
use nuncio_transcoding::response::json;
use nuncio_transcoding::wire::{Fields, Value};

use super::call::Kind;
use super::config::{Delimiter, Settings};
use super::reply::bad_gateway;
use crate::grpc::FRAME_HEADER_BYTES;

/// What has come of a response.
#[derive(Default)]
pub(super) struct Download {
    /// What is not a whole frame yet.
    held: Vec<u8>,
    /// How many messages have come.
    messages: usize,
    /// The type that the first `HttpBody` has.
    pub(super) content_type: Option<Vec<u8>>,
    /// What a unary answer has become.
    pub(super) unary: Vec<u8>,
}

impl Download {
    /// How much is held.
    pub(super) fn held_bytes(&self) -> usize {
        self.held.len() + self.unary.len()
    }

    #[cfg(test)]
    pub(super) fn held_capacity(&self) -> usize {
        self.held.capacity()
    }

    /// Whether any message has come.
    pub(super) fn has_messages(&self) -> bool {
        self.messages > 0
    }

    /// The next bytes of a response, and what they come to.
    pub(super) fn feed(
        &mut self,
        settings: &Settings,
        kind: &Kind,
        chunk: &[u8],
    ) -> Result<Vec<u8>, Box<LocalReply>> {
        self.held.extend_from_slice(chunk);
        let mut held = std::mem::take(&mut self.held);
        let mut rest = &*held;
        let mut out = Vec::new();
        while let Some((header, behind)) = rest.split_first_chunk::<FRAME_HEADER_BYTES>() {
            let [flags, length @ ..] = *header;
            if flags != 0 {
                let words = format!("Unsupported gRPC frame flag: {flags}");
                return Err(bad_gateway(words, "INTERNAL"));
            }
            let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
            let Some((message, behind)) = behind.split_at_checked(length) else {
                break;
            };
            rest = behind;
            // A unary answer is its first message.
            if kind.server_streams || self.messages == 0 {
                self.message(settings, kind, message, &mut out)?;
            }
            self.messages += 1;
        }
        // What is left stays where it is, so that a large message in small pieces is not copied for each of them.
        let read = held.len() - rest.len();
        held.drain(..read);
        self.held = held;
        if !kind.server_streams {
            self.unary.append(&mut out);
        }
        Ok(out)
    }

    fn message(
        &mut self,
        settings: &Settings,
        kind: &Kind,
        message: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Box<LocalReply>> {
        if let Some(place) = &kind.http_body {
            return self.http_body(&place.numbers, message, out);
        }
        let text = json(&settings.pool, kind.output, message, settings.print);
        let text = text.map_err(|fault| {
            let code = match fault.is_unknown_type {
                true => "NOT_FOUND",
                false => "INVALID_ARGUMENT",
            };
            bad_gateway(fault.words, code)
        })?;
        let (before, behind): (&[u8], &[u8]) = match settings.delimiter {
            _ if !kind.server_streams => (b"", b""),
            Delimiter::List if self.messages == 0 => (b"[", b""),
            Delimiter::List => (b",", b""),
            Delimiter::Lines => (b"", b"\n"),
            Delimiter::Events => (b"data: ", b"\n\n"),
        };
        out.extend_from_slice(before);
        out.extend_from_slice(&text);
        out.extend_from_slice(behind);
        Ok(())
    }

    fn http_body(
        &mut self,
        numbers: &[u32],
        message: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Box<LocalReply>> {
        let broken = |_| bad_gateway("Unable to parse HttpBody message".to_owned(), "INTERNAL");
        let mut body = message;
        for wanted in numbers {
            let mut inner: &[u8] = &[];
            for field in Fields::of(body) {
                if let (number, Value::Bytes(bytes)) = field.map_err(broken)?
                    && number == *wanted
                {
                    inner = bytes;
                }
            }
            body = inner;
        }
        let mut content_type = Vec::new();
        for field in Fields::of(body) {
            match field.map_err(broken)? {
                (1, Value::Bytes(bytes)) => content_type = bytes.to_vec(),
                (2, Value::Bytes(bytes)) => out.extend_from_slice(bytes),
                _ => {}
            }
        }
        if !is_header_value(&content_type) {
            content_type.clear();
        }
        self.content_type.get_or_insert(content_type);
        Ok(())
    }

    /// The end of a response; what is still to be said of a stream.
    pub(super) fn finish(
        &mut self,
        settings: &Settings,
        kind: &Kind,
    ) -> Result<Vec<u8>, Box<LocalReply>> {
        let held = std::mem::take(&mut self.held);
        if let Some((header, message)) = held.split_first_chunk::<FRAME_HEADER_BYTES>() {
            let [_, length @ ..] = *header;
            let (length, actual) = (u32::from_be_bytes(length), message.len());
            let words =
                format!("Incomplete gRPC frame expected size: {length} actual size: {actual}");
            return Err(bad_gateway(words, "INTERNAL"));
        }
        if !held.is_empty() {
            let words = "Incomplete gRPC frame header received".to_owned();
            return Err(bad_gateway(words, "INTERNAL"));
        }
        let is_list = settings.delimiter == Delimiter::List && kind.http_body.is_none();
        Ok(match self.messages {
            _ if !kind.server_streams || !is_list => Vec::new(),
            0 => b"[]".to_vec(),
            _ => b"]".to_vec(),
        })
    }
}

/// Whether it can be the value of a header: what ends lines would begin a header, or a response, of the service's own.
fn is_header_value(text: &[u8]) -> bool {
    let is_control = |byte: &u8| matches!(byte, 0..=8 | 10..=0x1f | 0x7f);
    !text.iter().any(is_control)
}
