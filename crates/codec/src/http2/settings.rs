//! What the configuration says about HTTP/2 (`Http2ProtocolOptions`, `HttpProtocolOptions`).

use std::time::Duration;

use crate::header_block::{BlockRules, Dialect};
use crate::http1::UnderscoresAction;

/// Options of one side of the codec; the defaults are those of Envoy 1.40.
#[derive(Clone, Debug, PartialEq)]
pub struct Http2Settings {
    /// Most bytes of each dynamic table: the one that the peer may make us keep, and the one that we keep of what the
    /// peer allows (`hpack_table_size`).
    pub hpack_table_size: u32,
    /// Most streams that the peer may have open at once (`max_concurrent_streams`). A client opens at most as many
    /// itself, and fewer if the server says so.
    pub max_concurrent_streams: u32,
    /// How many bytes of a body the peer may send ahead on one stream (`initial_stream_window_size`).
    pub initial_stream_window_size: u32,
    /// The same for all streams together (`initial_connection_window_size`).
    pub initial_connection_window_size: u32,
    /// Whether a request may carry `:protocol` (`allow_connect`).
    pub allow_connect: bool,
    /// Whether METADATA is taken and sent (`allow_metadata`).
    pub allow_metadata: bool,
    /// Most bytes of METADATA on one stream (`max_metadata_size`).
    pub max_metadata_bytes: usize,
    /// Most frames that wait to be written (`max_outbound_frames`).
    pub max_outbound_frames: u32,
    /// Most answers to PING and SETTINGS, and RST_STREAM, that wait to be written (`max_outbound_control_frames`).
    pub max_outbound_control_frames: u32,
    /// Most HEADERS, CONTINUATION and DATA frames in a row without payload and END_STREAM
    /// (`max_consecutive_inbound_frames_with_empty_payload`).
    pub max_consecutive_inbound_frames_with_empty_payload: u32,
    /// PRIORITY frames: at most this, times one more than the streams that were opened
    /// (`max_inbound_priority_frames_per_stream`).
    pub max_inbound_priority_frames_per_stream: u32,
    /// WINDOW_UPDATE frames: at most 5 + 2 x (streams opened + this x DATA frames sent)
    /// (`max_inbound_window_update_frames_per_data_frame_sent`).
    pub max_inbound_window_update_frames_per_data_frame_sent: u32,
    /// Whether a malformed message ends its stream alone, not the connection
    /// (`override_stream_error_on_invalid_http_message`).
    pub stream_error_on_invalid_http_message: bool,
    /// Most bytes of one header's name, and of its value (`max_header_field_size_kb`).
    pub max_header_field_bytes: usize,
    /// Most bytes of the names and values of one head or of trailers (`max_request_headers_kb`, `max_response_headers_kb`).
    pub max_headers_bytes: usize,
    /// Most headers of one head or of trailers (`max_headers_count`).
    pub max_headers_count: usize,
    /// What happens to header names with underscores (`headers_with_underscores_action`); servers only.
    pub headers_with_underscores: UnderscoresAction,
    /// Settings that are sent as they are, before those above (`custom_settings_parameters`).
    pub custom_parameters: Box<[(u16, u32)]>,
    /// Whether bytes above 0x7F make a header malformed (`disallow_obs_text`).
    pub disallow_obs_text: bool,
    /// Whether Envoy's other codec is asked for (`use_oghttp2_codec`), which judges some frames in another way.
    pub use_oghttp2_codec: bool,
    /// Whether texts in header blocks are shortened by the code of HPACK (`enable_huffman_encoding`).
    pub codes_texts: bool,
    /// When to send PING by itself (`connection_keepalive`).
    pub keepalive: Option<KeepaliveSettings>,
}

impl Default for Http2Settings {
    fn default() -> Self {
        Self {
            hpack_table_size: 4096,
            max_concurrent_streams: 1024,
            initial_stream_window_size: 16 << 20,
            initial_connection_window_size: 24 << 20,
            allow_connect: false,
            allow_metadata: false,
            max_metadata_bytes: 1 << 20,
            max_outbound_frames: 10_000,
            max_outbound_control_frames: 1000,
            max_consecutive_inbound_frames_with_empty_payload: 1,
            max_inbound_priority_frames_per_stream: 100,
            max_inbound_window_update_frames_per_data_frame_sent: 10,
            stream_error_on_invalid_http_message: false,
            max_header_field_bytes: 64 * 1024,
            max_headers_bytes: 60 * 1024,
            max_headers_count: 100,
            headers_with_underscores: UnderscoresAction::Allow,
            custom_parameters: Box::default(),
            disallow_obs_text: false,
            use_oghttp2_codec: false,
            codes_texts: true,
            keepalive: None,
        }
    }
}

impl Http2Settings {
    /// What header blocks are held to.
    pub(super) fn rules(&self) -> BlockRules {
        BlockRules {
            dialect: Dialect::Http2,
            allow_connect: self.allow_connect,
            max_headers_bytes: self.max_headers_bytes,
            max_headers_count: self.max_headers_count,
            headers_with_underscores: self.headers_with_underscores,
        }
    }
}

/// `connection_keepalive`; see [`super::Keepalive`].
#[derive(Clone, Debug, PartialEq)]
pub struct KeepaliveSettings {
    /// Time between PINGs; none means that only [`KeepaliveSettings::idle_interval`] sends them.
    pub interval: Option<Duration>,
    /// How long to wait for the answer, or for any other frame.
    pub timeout: Duration,
    /// By how much at most an interval is longer, as a part of it from 0 to 1 (`interval_jitter`, 15% by default).
    pub jitter: f64,
    /// A stream that is opened after nothing was received for so long is preceded by a PING
    /// (`connection_idle_interval`).
    pub idle_interval: Option<Duration>,
}
