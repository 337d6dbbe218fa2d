//! The header map: ordered, duplicates kept, O(1) access to the names that the
//! proxy itself reads.
//!
//! Names and values lie in one arena, as the lines that HTTP/1 reads and writes; an
//! entry is offsets into it and the number of a [`Known`] name. Pseudo-headers come first when iterating, the
//! others in the order in which they were added, as in Envoy. Adding a header
//! that Envoy treats as an inline one joins it to the first of its name with a
//! comma; all others are kept beside each other.
//!
//! Maps are cheap to make: their memory comes from a pool of this thread and
//! goes back to it when they are dropped.
//!
//! Limits: a map holds up to 256 MiB and refuses more ([`HeaderMap::is_overfull`]); the
//! pool of a thread keeps at most 64 maps of at most 16 KiB each.
//!
//! Different from Envoy: a value is never checked here; the codecs and the
//! configuration check with [`is_valid_value`].

mod change;
mod entry;
mod find;
mod iter;
mod key;
mod known;
mod known_set;
mod lookup;
mod lower_case;
mod map;
#[cfg(test)]
mod model_tests;
mod name;
mod original_case;
mod place;
mod pool;
mod run;
mod slots;
#[cfg(test)]
mod tests;

pub use iter::{Header, Iter, Values};
pub use key::HeaderKey;
pub use known::{Known, MapKind};
pub use known_set::KnownSet;
pub use map::HeaderMap;
pub use name::{HeaderName, InvalidHeaderName, is_token, is_token_byte, is_valid_value};
pub use original_case::OriginalCase;
pub use pool::give_back;
