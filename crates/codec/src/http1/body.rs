//! Decoding a body in place: where in the input the data lies, nothing copied.

use std::ops::Range;

use nuncio_contract::headers::HeaderMap;

use super::chunked::ChunkState;
use super::error::Error;
use super::framing::BodyFraming;
use super::head::{Blank, HeadScan, blank_line_at};
use super::settings::Http1Settings;
use super::trailers;

/// Decodes one body. Feed it what was read; consume what it says.
#[derive(Clone, Copy, Debug)]
pub enum BodyDecoder {
    /// The message is complete.
    Done,
    /// So many bytes are left.
    Length(u64),
    /// Chunks.
    Chunked(Chunks),
    /// All bytes until the peer closes.
    UntilClose,
}

/// The state of a chunked body.
#[derive(Clone, Copy, Debug, Default)]
pub struct Chunks {
    state: ChunkState,
    trailer_scan: HeadScan,
}

/// What one step found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The bytes at `data` of the input belong to the body; consume `consumed`, then
    /// step again.
    Data {
        /// How much of the input is used up.
        consumed: usize,
        /// Where the data lies in the input; not empty.
        data: Range<usize>,
    },
    /// Consume `consumed` and step again when more has arrived.
    NeedMore {
        /// How much of the input is used up.
        consumed: usize,
    },
    /// The body is complete after `consumed` bytes.
    Done {
        /// How much of the input is used up.
        consumed: usize,
        /// Whether `trailers` holds any.
        trailers: bool,
    },
}

impl From<BodyFraming> for BodyDecoder {
    fn from(framing: BodyFraming) -> Self {
        match framing {
            BodyFraming::None => BodyDecoder::Done,
            BodyFraming::Length(length) => BodyDecoder::Length(length),
            BodyFraming::Chunked => BodyDecoder::Chunked(Chunks::default()),
            BodyFraming::UntilClose | BodyFraming::Tunnel => BodyDecoder::UntilClose,
        }
    }
}

impl BodyDecoder {
    /// Whether the body is complete.
    pub fn is_done(&self) -> bool {
        matches!(self, BodyDecoder::Done | BodyDecoder::Length(0))
    }

    /// Whether all data has come: the last chunk has begun, or trailers. What is wrong with them is no fault of the data.
    pub fn is_behind_data(&self) -> bool {
        matches!(self, BodyDecoder::Chunked(chunks) if chunks.state.is_behind_data())
    }

    /// Looks at the start of `input`. `trailers` is filled when there are some and
    /// the settings keep them; a last step with `Done` says so.
    ///
    /// # Errors
    /// What is wrong with the body; the connection cannot be used further.
    pub fn step(
        &mut self,
        settings: &Http1Settings,
        input: &[u8],
        trailers: &mut HeaderMap,
    ) -> Result<Step, Error> {
        match self {
            BodyDecoder::Done | BodyDecoder::Length(0) => Ok(Step::Done {
                consumed: 0,
                trailers: false,
            }),
            _ if input.is_empty() => Ok(Step::NeedMore { consumed: 0 }),
            BodyDecoder::UntilClose => Ok(Step::Data {
                consumed: input.len(),
                data: 0..input.len(),
            }),
            BodyDecoder::Length(left) => {
                let len = take(left, input.len());
                Ok(Step::Data {
                    consumed: len,
                    data: 0..len,
                })
            }
            BodyDecoder::Chunked(chunks) => {
                let step = chunks.step(settings, input, trailers)?;
                if matches!(step, Step::Done { .. }) {
                    *self = BodyDecoder::Done;
                }
                Ok(step)
            }
        }
    }

    /// The peer has closed. Whether that completes the body.
    ///
    /// # Errors
    /// [`Error::UnexpectedEnd`] when the body was to go on.
    pub fn end(&mut self) -> Result<(), Error> {
        match self {
            _ if self.is_done() => Ok(()),
            BodyDecoder::UntilClose => {
                *self = BodyDecoder::Done;
                Ok(())
            }
            _ => Err(Error::UnexpectedEnd),
        }
    }
}

impl Chunks {
    fn step(
        &mut self,
        settings: &Http1Settings,
        input: &[u8],
        trailers: &mut HeaderMap,
    ) -> Result<Step, Error> {
        let start = self.state.read_grammar(input)?;
        let rest = input.get(start..).unwrap_or_default();
        match &mut self.state {
            ChunkState::Data(left) if !rest.is_empty() => {
                let len = take(left, rest.len());
                if *left == 0 {
                    self.state = ChunkState::DataEnd;
                }
                Ok(Step::Data {
                    consumed: start + len,
                    data: start..start + len,
                })
            }
            ChunkState::Trailers if !rest.is_empty() => {
                if start > 0 {
                    self.trailer_scan = HeadScan::default();
                }
                self.read_trailers(settings, start, rest, trailers)
            }
            _ => Ok(Step::NeedMore { consumed: start }),
        }
    }

    fn read_trailers(
        &mut self,
        settings: &Http1Settings,
        start: usize,
        rest: &[u8],
        trailers: &mut HeaderMap,
    ) -> Result<Step, Error> {
        let scan = &mut self.trailer_scan;
        let none = matches!(blank_line_at(rest, 0), Blank::Yes(_));
        let len = if none || scan.is_worth_reading(rest) {
            trailers::read(settings, rest, trailers)?
        } else {
            None
        };
        match len {
            Some(len) => Ok(Step::Done {
                consumed: start + len,
                trailers: !trailers.is_empty(),
            }),
            None => {
                scan.incomplete(rest, settings.max_headers_bytes)
                    .map_err(|_| Error::TrailersTooLarge)?;
                Ok(Step::NeedMore { consumed: start })
            }
        }
    }
}

/// Takes as much of `left` as there is; how much.
fn take(left: &mut u64, available: usize) -> usize {
    let len = usize::try_from(*left).unwrap_or(usize::MAX).min(available);
    *left -= len as u64;
    len
}
