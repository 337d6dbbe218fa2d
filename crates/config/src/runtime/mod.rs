//! Runtime: values by name that override what a configuration says, while the process runs.
//!
//! A field that names a runtime key is read as a [`RuntimeKey`], a handle on the name's place; reading it is one load
//! of a number, without lock or look-up. [`RuntimeKeys`] has the places: all that a process reads (every reload, every
//! worker) share one, which the server fills with the values in force. A configuration that is read without
//! has an empty one, so that defaults hold.
//!
//! Follows Envoy's "runtime configuration". A place lives as long as somebody has its key.

mod debug_text;
mod key;
mod keys;
#[cfg(test)]
mod tests;
mod value;

pub use key::{Fraction, RuntimeKey};
pub use keys::RuntimeKeys;
pub use value::RuntimeValue;
