//! From message tree to the values that rooms work with: declared once, decoded once, at load.
//!
//! [`message!`](crate::message) declares which fields of a message a room honours; a field that is set
//! and not declared is an error, "not supported by Nuncio yet" (a warning when unsupported things are
//! allowed). So nothing is ignored in silence. rustc's `dead_code` lint in turn reports a declared field
//! that no code reads, provided that the field is not public beyond its crate.
//!
//! Decoding goes on after an error, so that all are found: it returns [`Refused`], which says nothing
//! by itself, and the errors are in the [`Ctx`].

mod awaited;
mod beside;
mod channels;
mod context;
mod fields;
mod files;
mod from_value;
mod hidden;
mod macros;
mod managed;
mod runtime;
mod scalars;
mod secret_places;
mod secrets;
mod support;
#[cfg(test)]
mod tests;
mod wellknown;

pub use awaited::Awaited;
pub use beside::read_beside;
pub use channels::{ChannelPlace, ChannelTls, ChannelWish, Channels, MOST_CHANNELS};
pub use context::{Ctx, Refused};
pub use fields::{Declared, FieldTable, Fields, OneOf};
pub use files::{FileRead, FileStamp};
pub use from_value::{FromValue, decode};
#[doc(hidden)]
pub use hidden::{__enum_absent, __enum_from_value, __message_of, __plain_name};
pub use managed::{Background, MOST_MANAGED, ManagedCluster};
pub use secret_places::{SecretPlace, SecretPlaces};
pub use secrets::{DeliveredSecrets, SecretWish, StaticSecrets};
pub use support::{EnumSupport, MessageSupport, SupportTable};
pub use wellknown::{Any, Attempt, Spanned};
