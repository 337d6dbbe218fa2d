//! What filters for Amazon's services share: who signs, and signatures of versions 4 and 4A.

pub(crate) mod asymmetric;
pub(crate) mod canonical;
pub(crate) mod chain;
pub(crate) mod credentials;
pub(crate) mod endpoints;
pub(crate) mod fetched;
pub(crate) mod signer;
pub(crate) mod sources;
pub(crate) mod watched;
