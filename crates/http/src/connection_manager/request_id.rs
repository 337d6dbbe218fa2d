//! `x-request-id`: a version 4 UUID, whose 15th character Envoy uses to note why a request is traced, and whose first
//! eight digits decide whether it is.

use nuncio_config::typed::{Ctx, Refused};
use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::stream_info::TraceReason;

use crate::config::tracing::{RequestIdExtension, UuidRequestId};

const UUID: &str = "envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig";
/// Text length of a UUID.
const UUID_LEN: usize = 36;
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
    let (high, low) = (random(), random());
    let high = (high & !0xf000) | 0x4000;
    let low = (low & !(0b11 << 62)) | 0b10 << 62;
    let mut text = [b'-'; UUID_LEN];
    let (a, b) = (digits((high >> 32) as u32), digits(high as u32));
    let (c, d) = (digits((low >> 32) as u32), digits(low as u32));
    text[..8].copy_from_slice(&a);
    text[9..13].copy_from_slice(&b[..4]);
    text[14..18].copy_from_slice(&b[4..]);
    text[19..23].copy_from_slice(&c[..4]);
    text[24..28].copy_from_slice(&c[4..]);
    text[28..].copy_from_slice(&d);
    text
}

/// The hexadecimal digits of `number`, all at once: each of the eight bytes of a word becomes one.
fn digits(number: u32) -> [u8; NUMBER_DIGITS] {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let mut halves = u64::from(number);
    halves = (halves | halves << 16) & 0x0000_ffff_0000_ffff;
    halves = (halves | halves << 8) & 0x00ff_00ff_00ff_00ff;
    halves = (halves | halves << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    // 6 more make a carry of ten and above, of those that are letters.
    let letters = (halves + 6 * EACH) >> 4 & EACH;
    let text = halves + u64::from(b'0') * EACH + letters * u64::from(b'a' - b'0' - 10);
    text.to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::{digits, uuid};

    #[test]
    fn digits_are_those_that_formatting_gives() {
        for number in (0..=u32::MAX).step_by(65_521) {
            assert_eq!(&digits(number), format!("{number:08x}").as_bytes());
        }
    }

    #[test]
    fn a_request_id_is_a_version_4_uuid() {
        let mut numbers = [0x0123_4567_89ab_cdef_u64, 0xfedc_ba98_7654_3210].into_iter();
        let id = uuid(|| numbers.next().expect("two numbers are drawn"));
        assert_eq!(&id, b"01234567-89ab-4def-bedc-ba9876543210");
    }
}
