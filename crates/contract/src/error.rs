//! Error kinds shared by the engine and the extensions: whose fault an error is, and whether what failed
//! may be tried again without doing it twice.

/// Who has to act so that the error goes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The client broke the protocol, a limit or a policy.
    Downstream,
    /// The upstream host refused, died, hung or broke the protocol.
    Upstream,
    /// The configuration asks for what can't be.
    Config,
    /// Nuncio itself: a bug or an exhausted machine.
    Internal,
}

/// Whether a request may be sent again after this error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetrySafety {
    /// No upstream host can have begun to act on the request.
    Safe,
    /// A host may have acted on it: only a retry policy may decide.
    Unsafe,
}
