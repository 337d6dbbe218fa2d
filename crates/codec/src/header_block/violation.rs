//! What makes a message malformed.

/// What makes a message malformed, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// One header.
    Header(&'static str),
    /// A header that stands where it may not.
    Order(&'static str),
    /// A header that may come once only.
    Repetition(&'static str),
    /// The message as a whole.
    Message(&'static str),
    /// What the request is for.
    Target(&'static str),
}

impl Violation {
    /// In words.
    pub const fn what(self) -> &'static str {
        match self {
            Self::Header(what)
            | Self::Order(what)
            | Self::Repetition(what)
            | Self::Message(what)
            | Self::Target(what) => what,
        }
    }
}
