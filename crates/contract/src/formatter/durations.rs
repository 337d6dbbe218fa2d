//! The points in time of a stream, for `%COMMON_DURATION(START:END:PRECISION)%` and the fixed durations.

use std::time::{Duration, Instant};

use super::error::FormatError;
use crate::stream_info::StreamInfo;

/// Gives a point in time, if it has been reached.
type TimePoint = fn(&StreamInfo) -> Option<Instant>;

/// `%COMMON_DURATION(...)%`.
#[derive(Clone, Copy, Debug)]
pub(super) struct CommonDuration {
    start: TimePoint,
    end: TimePoint,
    precision: Precision,
}

#[derive(Clone, Copy, Debug)]
enum Precision {
    Milliseconds,
    Microseconds,
    Nanoseconds,
}

impl CommonDuration {
    /// Compiles `START:END` or `START:END:PRECISION`.
    pub(super) fn parse(argument: &str) -> Result<Self, FormatError> {
        let parts: Vec<&str> = argument.split(':').collect();
        let (start, end, precision) = match *parts {
            [start, end] => (start, end, "ms"),
            [start, end, precision] => (start, end, precision),
            _ => {
                let text = format!("Invalid common duration configuration: {argument}.");
                return Err(FormatError::new(text));
            }
        };
        let precision = match precision {
            "ms" => Precision::Milliseconds,
            "us" => Precision::Microseconds,
            "ns" => Precision::Nanoseconds,
            _ => {
                return Err(FormatError::new(format!(
                    "Invalid common duration precision: {precision}."
                )));
            }
        };
        Ok(CommonDuration {
            start: time_point(start),
            end: time_point(end),
            precision,
        })
    }

    /// The time between the points; `None` if one was not reached or they are in the other order.
    pub(super) fn evaluate(&self, info: &StreamInfo) -> Option<u64> {
        let duration = (self.end)(info)?.checked_duration_since((self.start)(info)?)?;
        let count = match self.precision {
            Precision::Milliseconds => duration.as_millis(),
            Precision::Microseconds => duration.as_micros(),
            Precision::Nanoseconds => duration.as_nanos(),
        };
        u64::try_from(count).ok()
    }
}

/// The time from the stream's start to `point`, in milliseconds.
pub(super) fn since_start(info: &StreamInfo, point: Option<Instant>) -> Option<u64> {
    point.map(|point| milliseconds(point.saturating_duration_since(info.start)))
}

/// Whole milliseconds.
pub(super) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The point with this name. Envoy takes an unknown name for one that a filter may set; nothing in Nuncio
/// does yet, so that it is never reached.
fn time_point(name: &str) -> TimePoint {
    match name {
        "DS_RX_BEG" => |info| Some(info.start),
        "DS_RX_END" => |info| info.downstream_timing.last_rx_byte,
        "DS_CX_BEG" => |info| Some(info.connection.begin.unwrap_or(info.start)),
        "US_CX_BEG" => |info| info.upstream.timing.connect_start,
        "US_CX_END" => |info| info.upstream.timing.connect_complete,
        "US_HS_END" => |info| info.upstream.timing.handshake_complete,
        "US_TX_BEG" => |info| info.upstream.timing.first_tx_byte,
        "US_TX_END" => |info| info.upstream.timing.last_tx_byte,
        "US_RX_BEG" => |info| info.upstream.timing.first_rx_byte,
        "US_RX_BODY_BEG" => |info| info.upstream.timing.first_rx_body_byte,
        "US_RX_END" => |info| info.upstream.timing.last_rx_byte,
        "DS_TX_BEG" => |info| info.downstream_timing.first_tx_byte,
        "DS_TX_END" => |info| info.downstream_timing.last_tx_byte,
        // DS_CX_END too: a stream is logged before its connection ends.
        _ => |_| None,
    }
}
