//! What filters for Amazon's services share: who signs, and signatures of version 4.

pub(crate) mod canonical;
pub(crate) mod chain;
pub(crate) mod credentials;
pub(crate) mod endpoints;
pub(crate) mod fetched;
pub(crate) mod signer;
pub(crate) mod sources;
