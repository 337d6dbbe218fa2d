//! What `cargo run -p xtask -- api` wrote.

#[rustfmt::skip]
pub(crate) mod layout;
