//! The two ways to name a header in a look-up.

use super::known::Known;
use super::name::HeaderName;

/// What a header can be looked up by: a [`Known`] name or a [`HeaderName`].
pub trait HeaderKey {
    /// The number, when the name is a known one.
    fn known(&self) -> Option<Known>;
    /// The name in lower case.
    fn bytes(&self) -> &[u8];
}

impl HeaderKey for Known {
    #[inline]
    fn known(&self) -> Option<Known> {
        Some(*self)
    }
    #[inline]
    fn bytes(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl HeaderKey for &HeaderName {
    #[inline]
    fn known(&self) -> Option<Known> {
        HeaderName::known(self)
    }
    #[inline]
    fn bytes(&self) -> &[u8] {
        self.as_bytes()
    }
}
