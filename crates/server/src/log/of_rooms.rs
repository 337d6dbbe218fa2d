//! Lines that rooms write, by their own scale of importance.

use nuncio_contract::application_log::{self, Severity};

use super::LogLevel;

/// Has them come here from now on.
pub(crate) fn take() {
    application_log::set(|severity, logger, text| {
        let level = match severity {
            Severity::Trace => LogLevel::Trace,
            Severity::Debug => LogLevel::Debug,
            Severity::Info => LogLevel::Info,
            Severity::Warning => LogLevel::Warning,
            Severity::Error => LogLevel::Error,
            Severity::Critical => LogLevel::Critical,
        };
        super::write(level, logger, text);
    });
}
