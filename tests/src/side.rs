//! The two sides that are compared.

/// Which proxy runs; it decides which config a case gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The real Envoy.
    Envoy,
    /// Nuncio.
    Nuncio,
}
