//! Messages, fields and oneofs: handles that name each other, as protobuf's descriptors do. A field has a
//! message, a message has fields, and a oneof has both.

mod field;
mod message;
mod oneof;

pub use field::{Cardinality, Field, Kind};
pub use message::{Message, message, messages};
pub use oneof::Oneof;
