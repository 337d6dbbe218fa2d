//! What filters for Amazon's services share: who signs, and signatures of version 4.

pub(crate) mod canonical;
pub(crate) mod credentials;
pub(crate) mod signer;
