//! From JSON to protobuf: what a client sends becomes the message of a call.
//!
//! [`Translator`] takes a body as it comes, [`bindings`] adds what paths and queries say, [`writer`] makes the bytes.
//! Where several things are wrong the last one is told, as Envoy does.

pub mod bindings;
mod dynamic;
mod field_mask;
mod node;
mod scalar;
mod times;
mod translator;
mod writer;

pub use translator::{Body, Translator};
pub use writer::Options;

pub(crate) use dynamic::{TYPE_URL, type_of};
pub(crate) use times::{MOST_SECONDS, TIMESTAMPS};
