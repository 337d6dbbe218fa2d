//! Oneofs: groups of fields of which at most one is set.

use std::fmt;

use super::field::Field;
use super::message::Message;
use crate::generated::layout::ONEOFS;
use crate::tables;

/// A oneof of a message.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Oneof(pub(super) u16);

impl Oneof {
    fn word(self, column: usize) -> u32 {
        ONEOFS.word(u32::from(self.0), column)
    }

    /// The name, such as `cluster_discovery_type`.
    pub fn name(self) -> &'static str {
        tables::string(self.word(0))
    }

    /// Whether one of the fields must be set (`validate.required`).
    pub fn required(self) -> bool {
        self.word(1) != 0
    }

    /// The message that has this oneof.
    pub fn message(self) -> Message {
        Message(self.word(2) as u16)
    }

    /// The fields in it, sorted by number.
    pub fn fields(self) -> impl Iterator<Item = Field> + Clone {
        self.message()
            .fields()
            .filter(move |field| field.oneof() == Some(self))
    }
}

impl fmt::Debug for Oneof {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "Oneof({}.{})",
            self.message().full_name(),
            self.name()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message;

    #[test]
    fn a_required_oneof_says_so() {
        let address = message("envoy.config.core.v3.Address").expect("known");
        let oneof = address.oneofs().next().expect("one");
        assert!(oneof.required());
        let names: Vec<_> = oneof.fields().map(Field::name).collect();
        assert_eq!(names, ["socket_address", "pipe", "envoy_internal_address"]);
    }

    #[test]
    fn another_oneof_is_not_required() {
        let cluster = message("envoy.config.cluster.v3.Cluster").expect("known");
        assert!(cluster.oneofs().all(|oneof| !oneof.required()));
    }
}
