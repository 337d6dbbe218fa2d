//! What reading a response's body comes to, whatever the protocol.

/// What a read of the body found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyEvent {
    /// Bytes were appended; more may come.
    Data,
    /// Bytes were appended, and the response is complete.
    LastData,
    /// The response is complete; nothing was appended.
    End,
    /// The response is complete, with these trailers; nothing was appended.
    Trailers,
}
