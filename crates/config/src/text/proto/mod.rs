//! protobuf's text format to [`Node`](super::Node)s, in the shapes that JSON gives the same message.
//!
//! [`parse`] reads the grammar alone; [`shape`] then turns what only a descriptor can tell apart into
//! JSON's forms: map entries, structures, bytes and the well-known types inside of an `Any`.
//! Not taken: extensions, and `Any` written as `type_url` and `value`.

mod lexer;
mod parser;
mod shape;

pub(super) use parser::parse;
pub(crate) use shape::shape;
