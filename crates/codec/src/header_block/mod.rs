//! What header blocks of HTTP/2 and HTTP/3 have in common: the codes of HPACK's and QPACK's integers and texts, the
//! characters that headers may have, and the rules that make a message of them.

pub(crate) mod characters;
mod field;
pub(crate) mod huffman;
mod huffman_lengths;
pub(crate) mod integer;
mod message;
mod rules;
mod text;
mod violation;

pub(crate) use field::{Field, Judge, is_of_the_connection, known_exactly};
pub(crate) use message::{Block, Fault, Message, UNKNOWN_LENGTH};
pub(crate) use rules::{BlockRules, Dialect};
pub(crate) use text::{Reading, Text, write as write_text};
pub use violation::Violation;

/// What is wrong with a coded header block: the fault is so deep that nothing behind it can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CodingError(pub(crate) &'static str);

/// Which head it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadKind {
    /// A request's, at a server.
    Request,
    /// A response's with a status of 1xx, at a client; another head follows.
    Informational,
    /// The final response's, at a client.
    Response,
}

/// How large a header block was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlockSize {
    /// Bytes on the wire: the frames of the block with their heads.
    pub wire: usize,
    /// Bytes of the names and values that were in it.
    pub decoded: usize,
    /// How many headers were in it, cookie crumbs one by one.
    pub count: usize,
}
