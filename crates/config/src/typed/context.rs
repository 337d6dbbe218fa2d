//! What a decode carries along: its findings and whether unsupported things are let through.

use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Diagnostics, Note, Severity};
use crate::runtime::RuntimeKeys;
use crate::span::Span;
use crate::tree::{Message, Value};
use crate::typed::files::{self, FileRead};
use crate::typed::{Awaited, Channels, DeliveredSecrets, SecretPlaces, SecretWish, StaticSecrets};

/// Something was wrong and has been reported to the [`Ctx`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refused;

/// The context of a decode.
#[derive(Debug, Default)]
pub struct Ctx {
    /// Whether set fields that nobody honours are warnings (`--allow-unsupported`), not errors.
    pub allow_unsupported: bool,
    /// Whether nothing of this will run, as it is only to be told about: what is not supported is left out
    /// where the rest can do without it.
    pub leaves_out: bool,
    /// All findings.
    pub diagnostics: Diagnostics,
    /// The files that were read besides the configuration itself, in order.
    pub files: Vec<FileRead>,
    /// Where the keys of runtime are resolved.
    pub runtime: RuntimeKeys,
    /// The static secrets that may be referred to.
    pub static_secrets: StaticSecrets,
    /// Those that were, in order.
    pub secrets_used: Vec<Arc<Message>>,
    /// The secrets that have come from elsewhere.
    pub delivered_secrets: DeliveredSecrets,
    /// Where those stand that are read while requests pass.
    pub secret_places: SecretPlaces,
    /// Those from elsewhere that are referred to, in order, whether they are there or not.
    pub secrets_wanted: Vec<SecretWish>,
    /// Where channels of gRPC are wished for that are no clusters of the configuration.
    pub channels: Channels,
    /// What must be fetched before this runs, in order.
    pub awaited: Vec<Arc<dyn Awaited>>,
}

impl Ctx {
    /// A context without findings.
    pub fn new(allow_unsupported: bool) -> Ctx {
        Ctx {
            allow_unsupported,
            ..Ctx::default()
        }
    }

    /// A context of what is only told about.
    pub fn for_telling() -> Ctx {
        Ctx {
            leaves_out: true,
            ..Ctx::new(true)
        }
    }

    /// Reads a file that the configuration names, `most_bytes` at most, and notes it in [`Ctx::files`], so
    /// that whoever runs the configuration can tell when the file changes.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read_file(&mut self, path: &str, most_bytes: u64) -> std::io::Result<Vec<u8>> {
        let (bytes, file) = files::read(path, most_bytes);
        self.files.push(file);
        bytes
    }

    /// What the static secret of this name holds as `kind`, such as `tls_certificate`; noted in
    /// [`Ctx::secrets_used`].
    pub fn static_secret(&mut self, name: &str, kind: &str) -> Option<Arc<Message>> {
        let secret = Arc::clone(self.static_secrets.find(name, kind)?);
        let inner = secret.find(&[kind]).and_then(Value::as_message).cloned();
        self.secrets_used.push(secret);
        inner
    }

    /// What the secret from elsewhere holds, if it has come; noted in [`Ctx::secrets_wanted`].
    pub fn secret_from_elsewhere(&mut self, wish: SecretWish) -> Option<Arc<Message>> {
        let secret = self.delivered_secrets.find(&wish);
        self.secrets_wanted.push(wish);
        secret
    }

    /// Reports an error; more can be said of it: `.suggest()`, `.note()`, `.envoy()`.
    ///
    /// A message that says that something is not supported is one of those that may be allowed.
    pub fn error(&mut self, span: Span, message: impl Into<String>) -> Note<'_> {
        let message = message.into();
        if self.allow_unsupported && message.ends_with(Diagnostic::NOT_SUPPORTED) {
            return self.diagnostics.warning(span, message);
        }
        self.diagnostics.error(span, message)
    }

    /// Reports a warning.
    pub fn warning(&mut self, span: Span, message: impl Into<String>) -> Note<'_> {
        self.diagnostics.warning(span, message)
    }

    /// Reports that `what` is not supported by Nuncio yet: an error, or a warning when allowed.
    ///
    /// `what` reads as the start of a sentence: "field `x` of `y`", "type `z`".
    pub fn unsupported(&mut self, span: Span, what: impl std::fmt::Display) {
        let severity = if self.allow_unsupported {
            Severity::Warning
        } else {
            Severity::Error
        };
        let text = format!("{what}{}", Diagnostic::NOT_SUPPORTED);
        self.diagnostics.push(Diagnostic::new(severity, span, text));
    }

    /// The same where no way is left to go on without it: when that is allowed, the whole thing around is
    /// left out.
    pub fn unsupported_here(&mut self, span: Span, what: impl std::fmt::Display) -> Refused {
        self.unsupported(span, what);
        Refused
    }
}
