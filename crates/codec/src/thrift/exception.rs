//! Exceptions of applications: what a message of that kind holds.

/// What kind of an exception it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExceptionKind {
    /// The method is not known.
    UnknownMethod = 1,
    /// A transform of the header transport is not known.
    InvalidTransform = 5,
    /// Something went wrong on the way.
    InternalError = 6,
    /// The bytes are no message.
    ProtocolError = 7,
}

/// An exception.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppException {
    /// Its kind.
    pub kind: ExceptionKind,
    /// What it says.
    pub text: String,
}

impl AppException {
    /// One.
    pub fn new(kind: ExceptionKind, text: impl Into<String>) -> Self {
        AppException {
            kind,
            text: text.into(),
        }
    }

    /// The payload that says so, as the binary protocol writes it.
    pub fn payload(&self) -> Vec<u8> {
        let text = self.text.as_bytes();
        let length = i32::try_from(text.len()).unwrap_or(i32::MAX);
        let mut payload = vec![0x0b, 0, 1];
        payload.extend_from_slice(&length.to_be_bytes());
        payload.extend_from_slice(text);
        payload.extend_from_slice(&[0x08, 0, 2]);
        payload.extend_from_slice(&(self.kind as i32).to_be_bytes());
        payload.push(0);
        payload
    }
}
