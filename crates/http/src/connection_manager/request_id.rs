//! `x-request-id`: a version 4 UUID, whose 15th character Envoy uses to note why a request is traced, and whose first
//! eight digits decide whether it is.

use nuncio_config::typed::{Ctx, Refused};
use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::stream_info::TraceReason;

use crate::config::tracing::{RequestIdExtension, UuidRequestId};

const UUID: &str = "envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig";
/// Text length of a UUID.
const UUID_LEN: usize = 36;
/// Where each byte's two digits stand.
const PLACES: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
/// Where the reason of tracing stands, which is else the version of the UUID.
const REASON_PLACE: usize = 14;
/// The digits that a number is made of.
const NUMBER_DIGITS: usize = 8;

/// What request ids are used for.
#[derive(Clone, Copy, Debug)]
pub struct RequestIds {
    /// Whether the reason of tracing is noted in them.
    hold_reason: bool,
    /// Whether they decide which requests are traced.
    pub(super) decide_sampling: bool,
}

impl Default for RequestIds {
    fn default() -> Self {
        RequestIds {
            hold_reason: true,
            decide_sampling: true,
        }
    }
}

impl RequestIds {
    pub(super) fn compile(
        message: Option<&RequestIdExtension>,
        ctx: &mut Ctx,
    ) -> Result<Self, Refused> {
        let Some(any) = message.and_then(|message| message.typed_config.as_ref()) else {
            return Ok(Self::default());
        };
        if any.type_name() != UUID {
            let what = format!("the request id extension {}", any.type_name());
            return Err(ctx.unsupported_here(any.span, what));
        }
        let uuid: UuidRequestId = any.decode(ctx)?;
        Ok(RequestIds {
            hold_reason: uuid.pack_trace_reason != Some(false),
            decide_sampling: uuid.use_request_id_for_trace_sampling != Some(false),
        })
    }

    /// Sets, keeps or replaces the request id. At the edge a client's id is replaced unless it is to be preserved, and
    /// then what it says of tracing does not count.
    pub(super) fn set(
        self,
        headers: &mut HeaderMap,
        edge_request: bool,
        preserve_external: bool,
        random: impl FnMut() -> u64,
    ) {
        let present = headers
            .get(Known::XRequestId)
            .is_some_and(|id| !id.is_empty());
        if present && !edge_request {
            return;
        }
        if present && preserve_external {
            self.note(headers, TraceReason::NotTraceable);
            return;
        }
        headers.set(Known::XRequestId, &uuid(random));
    }

    /// The number that decides about sampling, if the id begins with one.
    pub(super) fn number(headers: &HeaderMap) -> Option<u64> {
        let digits = headers.get(Known::XRequestId)?.get(..NUMBER_DIGITS)?;
        let digits = std::str::from_utf8(digits).ok()?;
        u64::from_str_radix(digits, 16).ok()
    }

    /// The reason that is noted in the id.
    pub(super) fn reason(self, headers: &HeaderMap) -> TraceReason {
        let id = headers.get(Known::XRequestId).unwrap_or_default();
        if !self.hold_reason || id.len() != UUID_LEN {
            return TraceReason::NotTraceable;
        }
        match id.get(REASON_PLACE) {
            Some(b'a') => TraceReason::ServiceForced,
            Some(b'9') => TraceReason::Sampling,
            Some(b'b') => TraceReason::ClientForced,
            _ => TraceReason::NotTraceable,
        }
    }

    /// Notes a reason in the id.
    pub(super) fn note(self, headers: &mut HeaderMap, reason: TraceReason) {
        let id = headers.get(Known::XRequestId).unwrap_or_default();
        if !self.hold_reason || id.len() != UUID_LEN {
            return;
        }
        let mut id = id.to_vec();
        if let Some(place) = id.get_mut(REASON_PLACE) {
            *place = match reason {
                TraceReason::ServiceForced => b'a',
                TraceReason::ClientForced => b'b',
                TraceReason::Sampling => b'9',
                TraceReason::NotTraceable | TraceReason::HealthCheck => b'4',
            };
        }
        headers.set(Known::XRequestId, &id);
    }
}

fn uuid(mut random: impl FnMut() -> u64) -> [u8; UUID_LEN] {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut bytes = (u128::from(random()) << 64 | u128::from(random())).to_be_bytes();
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let mut text = [b'-'; UUID_LEN];
    for (byte, place) in bytes.iter().zip(PLACES) {
        text[place] = HEX[usize::from(byte >> 4)];
        text[place + 1] = HEX[usize::from(byte & 0x0f)];
    }
    text
}

#[cfg(test)]
mod tests {
    use super::uuid;

    #[test]
    fn a_request_id_is_a_version_4_uuid() {
        let mut numbers = [0x0123_4567_89ab_cdef_u64, 0xfedc_ba98_7654_3210].into_iter();
        let id = uuid(|| numbers.next().expect("two numbers are drawn"));
        assert_eq!(&id, b"01234567-89ab-4def-bedc-ba9876543210");
    }
}
