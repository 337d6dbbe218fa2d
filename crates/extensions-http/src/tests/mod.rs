//! What the rooms' tests share, and what every room must keep to.

mod compliance;
pub(crate) mod harness;
