//! `envoy.config.core.v3.CelExpressionConfig`: what expressions may do besides, as it may take memory.

use nuncio_config::message;

message! {
    /// What expressions may do besides.
    pub struct CelExpressionConfig: "envoy.config.core.v3.CelExpressionConfig" {
        pub(crate) enable_string_conversion: bool,
        pub(crate) enable_string_concat: bool,
        pub(crate) enable_string_functions: bool,
    }
}

/// The same, at hand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// `string(x)`.
    pub(super) string_conversion: bool,
    /// `a + b` of texts and of bytes.
    pub(super) string_concat: bool,
    /// `replace`, `split`, `lowerAscii`, `upperAscii`.
    pub(super) string_functions: bool,
}

impl Options {
    /// What a message says.
    pub(crate) fn of(message: Option<&CelExpressionConfig>) -> Self {
        message.map_or(Options::default(), |message| Options {
            string_conversion: message.enable_string_conversion,
            string_concat: message.enable_string_concat,
            string_functions: message.enable_string_functions,
        })
    }
}
