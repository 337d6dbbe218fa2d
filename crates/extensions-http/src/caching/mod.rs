//! What the filters that keep answers have in common: how RFC 9111 is read (freshness, `vary`, ranges, validation), and
//! where answers are kept.

pub(crate) mod control;
mod date;
pub(crate) mod files;
pub(crate) mod freshness;
pub(crate) mod messages;
pub(crate) mod pool;
pub(crate) mod ranges;
pub(crate) mod request;
pub(crate) mod storage;
pub(crate) mod store;
pub(crate) mod validation;
pub(crate) mod vary;
