//! JSON as events, in whatever pieces it comes.
//!
//! The grammar is the loose one of protobuf's own parser, since that is what clients of Envoy may rely on: names
//! without quotes, single quotes, commas behind the last element. Words of errors and the text shown with them are
//! its too. Limits: [`MAX_DEPTH`] objects and lists in each other, [`MAX_TOKEN_BYTES`] for what can't be understood in
//! part (numbers, names without quotes).

mod escape;
mod number;
mod parser;

pub use parser::Parser;

/// How deep objects and lists may nest.
pub const MAX_DEPTH: usize = 100;
/// How long a number may be, or a name without quotes.
pub const MAX_TOKEN_BYTES: usize = 16 << 10;

/// What has members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Members with names.
    Object,
    /// Members in order.
    List,
}

/// A value without members.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar<'a> {
    /// `null`.
    Null,
    /// `true` and `false`.
    Bool(bool),
    /// A number below zero.
    Int(i64),
    /// A number that is not.
    Uint(u64),
    /// Any other number.
    Double(f64),
    /// Text; not always of UTF-8 where it was no JSON.
    Text(&'a [u8]),
}

/// Takes what a parser finds. Names are empty in lists and at the root.
pub trait Events {
    /// An object or a list begins.
    fn open(&mut self, name: &str, shape: Shape);
    /// It ends.
    fn close(&mut self, shape: Shape);
    /// A value without members.
    fn scalar(&mut self, name: &str, value: Scalar<'_>);
}
