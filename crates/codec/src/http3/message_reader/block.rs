//! A block of headers as its bytes come.

use nuncio_contract::headers::HeaderMap;

use super::super::qpack::{DecodeError, Decoder};
use crate::header_block::{Block, BlockRules, Fault, Judge, Message};

/// Why a block is not taken.
pub(super) enum Refused {
    /// What is in it.
    Fault(Fault),
    /// How it is coded.
    Coding(&'static str),
}

impl From<DecodeError> for Refused {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::Coding(what) => Self::Coding(what),
            DecodeError::TooLong => Self::Fault(Fault::TooManyBytes),
        }
    }
}

/// A block that is being read.
pub(super) struct BlockReader {
    pub(super) message: Message,
    decoder: Decoder,
    /// The beginning of a header whose rest has not come; the longest name and value bound it.
    cut_off: Vec<u8>,
}

impl BlockReader {
    pub(super) fn new(block: Block, rules: &BlockRules, judge: Judge) -> Self {
        Self {
            message: Message::new(block, false),
            decoder: Decoder::new(rules.max_headers_bytes, judge),
            cut_off: Vec::new(),
        }
    }

    /// Takes the next bytes of the block.
    pub(super) fn feed(
        &mut self,
        rules: &BlockRules,
        payload: &[u8],
        headers: &mut HeaderMap,
    ) -> Result<(), Refused> {
        if self.cut_off.is_empty() {
            let taken = self.decode(rules, payload, headers)?;
            let rest = payload.get(taken..).unwrap_or_default();
            self.cut_off.extend_from_slice(rest);
            return Ok(());
        }
        let mut bytes = std::mem::take(&mut self.cut_off);
        bytes.extend_from_slice(payload);
        let taken = self.decode(rules, &bytes, headers)?;
        bytes.drain(..taken);
        self.cut_off = bytes;
        Ok(())
    }

    /// Decodes the headers that are there whole; how many bytes they took. Nothing behind a fault is looked at, as no
    /// other block needs it.
    fn decode(
        &mut self,
        rules: &BlockRules,
        input: &[u8],
        headers: &mut HeaderMap,
    ) -> Result<usize, Refused> {
        let mut at = 0;
        loop {
            let rest = input.get(at..).unwrap_or_default();
            let message = &mut self.message;
            let taken = self
                .decoder
                .next(rest, |field| message.field(rules, field, headers))?;
            if let Some(fault) = self.message.fault {
                return Err(Refused::Fault(fault));
            }
            if taken == 0 {
                return Ok(at);
            }
            at += taken;
        }
    }

    /// The block is complete.
    pub(super) fn finish(
        &mut self,
        rules: &BlockRules,
        headers: &mut HeaderMap,
    ) -> Result<(), Refused> {
        if !self.decoder.has_prefix() {
            return Err(Refused::Coding("Incomplete header data prefix."));
        }
        if !self.cut_off.is_empty() {
            return Err(Refused::Coding("Incomplete header block."));
        }
        self.message.finish(rules, headers).map_err(Refused::Fault)
    }
}
