//! When streams are logged beside at their ends.

use std::time::Duration;

use nuncio_config::typed::{Ctx, Refused};

use crate::config::connection_manager as config;

/// Moments beside the end of a stream at which it is logged.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogMoments {
    /// When its filters have been made.
    pub begin: bool,
    /// When it has become a tunnel.
    pub tunnel: bool,
    /// Every so often.
    pub interval: Option<Duration>,
}

impl LogMoments {
    pub(super) fn from_message(
        message: &config::HttpConnectionManager,
        ctx: &mut Ctx,
    ) -> Result<Self, Refused> {
        let (on_new, interval) = (
            message.flush_access_log_on_new_request,
            message.access_log_flush_interval,
        );
        let Some(options) = &message.access_log_options else {
            return Ok(LogMoments {
                begin: on_new,
                tunnel: false,
                interval,
            });
        };
        let twice = match (on_new, interval) {
            (true, _) => Some("flush_access_log_on_new_request"),
            (false, Some(_)) => Some("access_log_flush_interval"),
            (false, None) => None,
        };
        if let Some(twice) = twice {
            let text = format!("Only one of {twice} or access_log_options can be specified.");
            ctx.error(options.span(), text);
            return Err(Refused);
        }
        Ok(LogMoments {
            begin: options.flush_access_log_on_new_request,
            tunnel: options.flush_log_on_tunnel_successfully_established,
            interval: options.access_log_flush_interval,
        })
    }
}
