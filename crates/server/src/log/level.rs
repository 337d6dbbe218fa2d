//! Levels of the log.

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Everything.
    Trace,
    /// For finding faults.
    Debug,
    /// What an operator wants to know.
    Info,
    /// What may be wrong.
    Warning,
    /// What is wrong.
    Error,
    /// What ends the process.
    Critical,
    /// Nothing.
    Off,
}

impl LogLevel {
    /// All levels, most talkative first.
    pub const ALL: [LogLevel; 7] = [
        LogLevel::Trace,
        LogLevel::Debug,
        LogLevel::Info,
        LogLevel::Warning,
        LogLevel::Error,
        LogLevel::Critical,
        LogLevel::Off,
    ];

    /// Envoy's word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            LogLevel::Trace => "trace",
            LogLevel::Debug => "debug",
            LogLevel::Info => "info",
            LogLevel::Warning => "warning",
            LogLevel::Error => "error",
            LogLevel::Critical => "critical",
            LogLevel::Off => "off",
        }
    }

    /// The level that a word means.
    pub fn of(word: &str) -> Option<LogLevel> {
        match word {
            "warn" => Some(LogLevel::Warning),
            _ => LogLevel::ALL
                .into_iter()
                .find(|level| level.as_str() == word),
        }
    }
}
