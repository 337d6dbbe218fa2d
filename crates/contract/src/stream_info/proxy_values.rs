//! Values (TLVs) of a PROXY header.

/// Values by their kinds, in order; a kind may be there more than once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxyValues(pub Vec<(u8, Box<[u8]>)>);

impl ProxyValues {
    /// Whether one of them is of this kind.
    pub fn has(&self, kind: u8) -> bool {
        self.0.iter().any(|(own, _)| *own == kind)
    }
}
