//! Templates of paths such as `/v1/{shelf=shelves/*}/books/{book=**}:lend`, and the table of them that finds a method.
//!
//! A literal segment counts for more than `*`, and that more than `**`, segment by segment; where what comes later does
//! not fit, the next choice is tried. Limits: a path has at most [`MAX_SEGMENTS`] segments, so that the tries have an
//! end; templates are as long as configurations write them.

mod parse;
mod table;
mod unescape;

pub use parse::{Segment, Template, Variable};
pub use table::{Found, Table, TableOptions};
pub use unescape::{Unescape, query as unescape_query};

/// How many segments a path may have.
pub const MAX_SEGMENTS: usize = 256;
