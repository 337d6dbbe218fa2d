//! What Envoy's `http2.*` counters count.

/// Counted since the last [`super::Connection::take_counts`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Http2Counts {
    /// `http2.dropped_headers_with_underscores`
    pub dropped_headers_with_underscores: u32,
    /// `http2.requests_rejected_with_underscores_in_headers`
    pub requests_rejected_with_underscores_in_headers: u32,
    /// `http2.goaway_sent`
    pub goaway_sent: u32,
    /// `http2.header_overflow`
    pub header_overflow: u32,
    /// `http2.inbound_empty_frames_flood`
    pub inbound_empty_frames_flood: u32,
    /// `http2.inbound_priority_frames_flood`
    pub inbound_priority_frames_flood: u32,
    /// `http2.inbound_window_update_frames_flood`
    pub inbound_window_update_frames_flood: u32,
    /// `http2.metadata_empty_frames`
    pub metadata_empty_frames: u32,
    /// `http2.outbound_flood`
    pub outbound_flood: u32,
    /// `http2.outbound_control_flood`
    pub outbound_control_flood: u32,
    /// `http2.rx_messaging_error`
    pub rx_messaging_error: u32,
    /// `http2.rx_reset`
    pub rx_reset: u32,
    /// `http2.tx_reset`
    pub tx_reset: u32,
    /// `http2.trailers`
    pub trailers: u32,
    /// `http2.stream_refused_errors`
    pub stream_refused_errors: u32,
    /// `http2.header_list_size_too_large`
    pub header_list_size_too_large: u32,
}
