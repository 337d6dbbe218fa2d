//! Which parts of a stream the processor sees, and how: of the filter, of the route, and as the processor chooses.

use nuncio_service_messages::ext_proc as service;

use super::messages::{BodySendMode, HeaderSendMode, ProcessingMode};

/// How a body is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum BodyMode {
    /// Not at all.
    #[default]
    None,
    /// In pieces, each of which is answered.
    Streamed,
    /// As a whole.
    Buffered,
    /// As much of it as may be kept, at once.
    Partial,
    /// In pieces; what goes on comes from the processor.
    FullDuplex,
}

impl BodyMode {
    fn of(mode: BodySendMode) -> Self {
        match mode {
            BodySendMode::None => BodyMode::None,
            BodySendMode::Streamed => BodyMode::Streamed,
            BodySendMode::Buffered => BodyMode::Buffered,
            BodySendMode::BufferedPartial => BodyMode::Partial,
            BodySendMode::FullDuplex => BodyMode::FullDuplex,
        }
    }

    fn of_number(number: i32) -> Option<Self> {
        Some(match number {
            0 => BodyMode::None,
            1 => BodyMode::Streamed,
            2 => BodyMode::Buffered,
            3 => BodyMode::Partial,
            4 => BodyMode::FullDuplex,
            _ => return None,
        })
    }

    pub(super) fn number(self) -> i32 {
        match self {
            BodyMode::None => 0,
            BodyMode::Streamed => 1,
            BodyMode::Buffered => 2,
            BodyMode::Partial => 3,
            BodyMode::FullDuplex => 4,
        }
    }
}

/// What is told of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SideModes {
    pub(super) head: bool,
    pub(super) body: BodyMode,
    pub(super) trailers: bool,
}

/// What is told of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Modes {
    pub(super) request: SideModes,
    pub(super) response: SideModes,
}

impl Default for Modes {
    fn default() -> Self {
        let heads = SideModes {
            head: true,
            ..SideModes::default()
        };
        Modes {
            request: heads,
            response: heads,
        }
    }
}

impl Modes {
    /// As a configuration says it.
    pub(super) fn of(message: Option<&ProcessingMode>) -> Self {
        let default = Modes::default();
        let Some(message) = message else {
            return default;
        };
        default.changed_by(message)
    }

    /// The same as seen from modes that stand where a configuration says nothing.
    pub(super) fn changed_by(self, message: &ProcessingMode) -> Self {
        let is_sent = |mode: HeaderSendMode, otherwise: bool| match mode {
            HeaderSendMode::Default => otherwise,
            HeaderSendMode::Send => true,
            HeaderSendMode::Skip => false,
        };
        Modes {
            request: SideModes {
                head: is_sent(message.request_header_mode, self.request.head),
                body: BodyMode::of(message.request_body_mode),
                trailers: is_sent(message.request_trailer_mode, self.request.trailers),
            },
            response: SideModes {
                head: is_sent(message.response_header_mode, self.response.head),
                body: BodyMode::of(message.response_body_mode),
                trailers: is_sent(message.response_trailer_mode, self.response.trailers),
            },
        }
    }

    /// As the processor chooses; none where it chooses what there is not. The request's head has gone.
    pub(super) fn chosen(self, wanted: &service::ProcessingMode) -> Option<Self> {
        let is_sent = |number: i32, otherwise: bool| match number {
            0 => Some(otherwise),
            1 => Some(true),
            2 => Some(false),
            _ => None,
        };
        Some(Modes {
            request: SideModes {
                head: self.request.head,
                body: BodyMode::of_number(wanted.request_body_mode)?,
                trailers: is_sent(wanted.request_trailer_mode, self.request.trailers)?,
            },
            response: SideModes {
                head: is_sent(wanted.response_header_mode, self.response.head)?,
                body: BodyMode::of_number(wanted.response_body_mode)?,
                trailers: is_sent(wanted.response_trailer_mode, self.response.trailers)?,
            },
        })
    }

    /// Whether they are the same but for the request's head.
    pub(super) fn is_like(self, other: Modes) -> bool {
        let without = |modes: Modes| SideModes {
            head: false,
            ..modes.request
        };
        self.response == other.response && without(self) == without(other)
    }
}
