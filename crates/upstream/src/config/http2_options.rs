//! `Http2ProtocolOptions`, of clusters and of connection managers alike.
//!
//! `use_oghttp2_codec` chooses between Envoy's two
//! codecs, which say the same on the wire but for `disallow_obs_text`, which that one alone looks at.

use std::time::Duration;

use nuncio_codec::http2::{Http2Settings, KeepaliveSettings};
use nuncio_config::message;
use nuncio_config::typed::{Ctx, Refused, Spanned};

use super::http2_parameters as parameters;
use super::messages::Percent;

message! {
    /// Options of HTTP/2.
    pub struct Http2Options: "envoy.config.core.v3.Http2ProtocolOptions" {
        pub(crate) hpack_table_size: Option<u32>,
        pub(crate) max_concurrent_streams: Option<u32>,
        pub(crate) initial_stream_window_size: Option<u32>,
        pub(crate) initial_connection_window_size: Option<u32>,
        pub(crate) allow_connect: bool,
        pub(crate) allow_metadata: bool,
        pub(crate) max_metadata_size: Option<u32>,
        pub(crate) max_outbound_frames: Option<u32>,
        pub(crate) max_outbound_control_frames: Option<u32>,
        pub(crate) max_consecutive_inbound_frames_with_empty_payload: Option<u32>,
        pub(crate) max_inbound_priority_frames_per_stream: Option<u32>,
        pub(crate) max_inbound_window_update_frames_per_data_frame_sent: Option<u32>,
        pub(crate) stream_error_on_invalid_http_messaging: bool,
        pub(crate) override_stream_error_on_invalid_http_message: Option<bool>,
        pub(crate) connection_keepalive: Option<Http2Keepalive>,
        pub(crate) max_header_field_size_kb: Option<u32>,
        pub(crate) enable_huffman_encoding: Option<bool>,
        pub(crate) custom_settings_parameters: Vec<SettingsParameter>,
        pub(crate) disallow_obs_text: Option<bool>,
        pub(crate) use_oghttp2_codec: Option<bool>,
    }
}

message! {
    /// A setting that is told to the peer as it is.
    pub struct SettingsParameter: "envoy.config.core.v3.Http2ProtocolOptions.SettingsParameter" {
        pub(crate) identifier: Option<u32>,
        pub(crate) value: Option<u32>,
    }
}

message! {
    /// When the peer is asked whether it is still there.
    pub struct Http2Keepalive: "envoy.config.core.v3.KeepaliveSettings" {
        pub(crate) interval: Option<Duration>,
        pub(crate) timeout: Spanned<Duration>,
        pub(crate) interval_jitter: Option<Percent>,
        pub(crate) connection_idle_interval: Option<Duration>,
    }
}

impl Http2Options {
    /// Reports what is wrong with it.
    ///
    /// # Errors
    /// [`Refused`] if something is.
    pub fn check(&self, ctx: &mut Ctx) -> Result<(), Refused> {
        let named = [
            (1, "hpack_table_size", self.hpack_table_size),
            (3, "max_concurrent_streams", self.max_concurrent_streams),
            (
                4,
                "initial_stream_window_size",
                self.initial_stream_window_size,
            ),
        ];
        parameters::check(&self.custom_settings_parameters, named, ctx)
    }

    /// Puts what is given into `settings`; `stream_error` is what the connection manager says about malformed messages.
    pub fn apply(&self, settings: &mut Http2Settings, stream_error: Option<bool>) {
        let numbers = [
            (&mut settings.hpack_table_size, self.hpack_table_size),
            (
                &mut settings.max_concurrent_streams,
                self.max_concurrent_streams,
            ),
            (
                &mut settings.initial_stream_window_size,
                self.initial_stream_window_size,
            ),
            (
                &mut settings.initial_connection_window_size,
                self.initial_connection_window_size,
            ),
            (&mut settings.max_outbound_frames, self.max_outbound_frames),
            (
                &mut settings.max_outbound_control_frames,
                self.max_outbound_control_frames,
            ),
            (
                &mut settings.max_consecutive_inbound_frames_with_empty_payload,
                self.max_consecutive_inbound_frames_with_empty_payload,
            ),
            (
                &mut settings.max_inbound_priority_frames_per_stream,
                self.max_inbound_priority_frames_per_stream,
            ),
            (
                &mut settings.max_inbound_window_update_frames_per_data_frame_sent,
                self.max_inbound_window_update_frames_per_data_frame_sent,
            ),
        ];
        for (setting, given) in numbers {
            if let Some(given) = given {
                *setting = given;
            }
        }
        settings.allow_connect = self.allow_connect;
        settings.allow_metadata = self.allow_metadata;
        if let Some(bytes) = self.max_metadata_size {
            settings.max_metadata_bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        }
        settings.use_oghttp2_codec = self.use_oghttp2_codec == Some(true);
        settings.disallow_obs_text =
            self.disallow_obs_text == Some(true) && settings.use_oghttp2_codec;
        parameters::apply(&self.custom_settings_parameters, settings);
        settings.stream_error_on_invalid_http_message = self
            .override_stream_error_on_invalid_http_message
            .or(stream_error)
            .unwrap_or(self.stream_error_on_invalid_http_messaging);
        if let Some(kib) = self.max_header_field_size_kb {
            settings.max_header_field_bytes =
                usize::try_from(kib).map_or(usize::MAX, |kib| kib.saturating_mul(1024));
        }
        settings.codes_texts = self.enable_huffman_encoding != Some(false);
        settings.keepalive = self
            .connection_keepalive
            .as_ref()
            .map(Http2Keepalive::compile);
    }
}

impl Http2Keepalive {
    fn compile(&self) -> KeepaliveSettings {
        let percent = self
            .interval_jitter
            .as_ref()
            .map_or(15.0, |jitter| jitter.value);
        KeepaliveSettings {
            interval: self.interval,
            timeout: self.timeout.value,
            jitter: percent / 100.0,
            idle_interval: self.connection_idle_interval,
        }
    }
}
