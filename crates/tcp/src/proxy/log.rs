//! What a TCP proxy writes to its access logs, and when.

use nuncio_contract::formatter::{AccessLogType, FormatContext};
use nuncio_contract::stream_info::StreamInfo;

use super::TcpProxy;

impl TcpProxy {
    /// Writes one moment of a connection.
    pub(super) fn log(&self, info: &StreamInfo, moment: AccessLogType) {
        let context = FormatContext {
            access_log_type: moment,
            ..FormatContext::new(info, &*self.worker.services)
        };
        self.loggers.iter().for_each(|logger| logger.log(&context));
    }

    /// Whether anything is written.
    pub(super) fn logs(&self) -> bool {
        !self.loggers.is_empty()
    }
}
