//! Fields: names, types and annotations.

use std::fmt;

use super::message::Message;
use super::oneof::Oneof;
use crate::enumeration::Enum;
use crate::generated::layout::{FIELDS, MIGRATIONS};
use crate::rules::Rules;
use crate::tables::{self, NONE};

/// A field of a message.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Field(pub(super) u16);

/// The type of a field's value; of each element for a list, of the values for a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A 64-bit float.
    Double,
    /// A 32-bit float.
    Float,
    /// A signed number as a varint.
    Int32,
    /// A signed number as a varint.
    Int64,
    /// An unsigned number as a varint.
    Uint32,
    /// An unsigned number as a varint.
    Uint64,
    /// A signed number as a zig-zag varint.
    Sint32,
    /// A signed number as a zig-zag varint.
    Sint64,
    /// An unsigned number in four bytes.
    Fixed32,
    /// An unsigned number in eight bytes.
    Fixed64,
    /// A signed number in four bytes.
    Sfixed32,
    /// A signed number in eight bytes.
    Sfixed64,
    /// A flag.
    Bool,
    /// UTF-8 text.
    String,
    /// Bytes.
    Bytes,
    /// A message.
    Message(Message),
    /// A value of an enum.
    Enum(Enum),
}

/// How many values a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cardinality {
    /// One, or none.
    Singular,
    /// A list.
    Repeated,
    /// A map.
    Map {
        /// The type of the keys: a whole number, a flag or a string.
        key: Kind,
        /// The type of the values, which [`Field::kind`] also gives.
        value: Kind,
    },
}

impl Field {
    fn word(self, column: usize) -> u32 {
        FIELDS.word(u32::from(self.0), column)
    }

    fn flag(self, bit: u32) -> bool {
        self.word(3) >> (12 + bit) & 1 != 0
    }

    /// The name as in the API's definition, in snake_case.
    pub fn name(self) -> &'static str {
        tables::string(self.word(0))
    }

    /// The name in lowerCamelCase.
    pub fn json_name(self) -> &'static str {
        tables::string(self.word(1))
    }

    /// The number on the wire.
    pub fn number(self) -> u32 {
        self.word(2)
    }

    /// The type of the value; of each element for a list, of the values for a map.
    pub fn kind(self) -> Kind {
        kind(self.word(3) & 31, self.word(4) as u16)
    }

    /// Whether the field is one value, a list or a map.
    pub fn cardinality(self) -> Cardinality {
        let word = self.word(3);
        match word >> 5 & 3 {
            0 => Cardinality::Singular,
            1 => Cardinality::Repeated,
            _ => Cardinality::Map {
                key: kind(word >> 7 & 31, 0),
                value: self.kind(),
            },
        }
    }

    /// Whether a value that is unset differs from one that is the default:
    /// messages, `optional` fields and those in a oneof.
    pub fn has_presence(self) -> bool {
        self.flag(0)
    }

    /// The oneof that the field is in.
    pub fn oneof(self) -> Option<Oneof> {
        let index = self.word(5);
        (index != NONE).then_some(Oneof(index as u16))
    }

    /// The message that has this field.
    pub fn message(self) -> Message {
        Message((self.word(4) >> 16) as u16)
    }

    /// The validation rules.
    pub fn rules(self) -> Option<Rules> {
        let offset = self.word(6);
        (offset != NONE).then_some(Rules(offset))
    }

    /// Whether the field is marked as deprecated.
    pub fn deprecated(self) -> bool {
        self.flag(1)
    }

    /// Whether setting the field is an error unless a runtime guard allows it.
    pub fn disallowed_by_default(self) -> bool {
        self.flag(2)
    }

    /// Whether the value must not be shown in dumps and logs.
    pub fn sensitive(self) -> bool {
        self.flag(3)
    }

    /// Whether the field is marked as work in progress.
    pub fn work_in_progress(self) -> bool {
        self.flag(4)
    }

    /// The API's version that deprecated the field, such as `3.0`.
    pub fn deprecated_at_minor_version(self) -> Option<&'static str> {
        tables::optional_string(self.word(7))
    }

    /// The field's name in the next major version, where that is another.
    pub fn renamed(self) -> Option<&'static str> {
        self.migration(1)
    }

    /// The oneof that the field moves into in the next major version.
    pub fn oneof_promotion(self) -> Option<&'static str> {
        self.migration(2)
    }

    fn migration(self, column: usize) -> Option<&'static str> {
        let index = u32::from(self.0);
        let row = (0..MIGRATIONS.rows()).find(|row| MIGRATIONS.word(*row, 0) == index)?;
        tables::optional_string(MIGRATIONS.word(row, column))
    }
}

/// `FieldDescriptorProto.Type` and the index of its type.
fn kind(number: u32, type_index: u16) -> Kind {
    match number {
        1 => Kind::Double,
        2 => Kind::Float,
        3 => Kind::Int64,
        4 => Kind::Uint64,
        5 => Kind::Int32,
        6 => Kind::Fixed64,
        7 => Kind::Fixed32,
        8 => Kind::Bool,
        11 => Kind::Message(Message(type_index)),
        12 => Kind::Bytes,
        13 => Kind::Uint32,
        14 => Kind::Enum(Enum(type_index)),
        15 => Kind::Sfixed32,
        16 => Kind::Sfixed64,
        17 => Kind::Sint32,
        18 => Kind::Sint64,
        _ => Kind::String,
    }
}

impl fmt::Debug for Field {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "Field({}.{})",
            self.message().full_name(),
            self.name()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::enumeration::enumeration;
    use crate::message;

    fn field(message_name: &str, name: &str) -> Field {
        message(message_name)
            .and_then(|it| it.field(name))
            .expect("known")
    }

    #[test]
    fn kinds_and_cardinalities_follow_the_definition() {
        let bootstrap = "envoy.config.bootstrap.v3.Bootstrap";
        let node = field(bootstrap, "node");
        assert_eq!(
            node.kind(),
            Kind::Message(message("envoy.config.core.v3.Node").expect("known"))
        );
        assert_eq!(node.cardinality(), Cardinality::Singular);
        let sinks = field(bootstrap, "stats_sinks");
        assert_eq!(sinks.cardinality(), Cardinality::Repeated);
        let policy = field("envoy.config.cluster.v3.Cluster", "lb_policy");
        assert_eq!(
            policy.kind(),
            Kind::Enum(enumeration("envoy.config.cluster.v3.Cluster.LbPolicy").expect("known"))
        );
        assert_eq!(
            field("envoy.config.core.v3.SocketAddress", "port_value").kind(),
            Kind::Uint32
        );
    }

    #[test]
    fn maps_give_the_kinds_of_keys_and_values() {
        let metadata = field("envoy.config.core.v3.Metadata", "filterMetadata");
        let value = Kind::Message(message("google.protobuf.Struct").expect("known"));
        assert_eq!(
            metadata.cardinality(),
            Cardinality::Map {
                key: Kind::String,
                value
            }
        );
        assert_eq!(metadata.kind(), value);
        assert!(!metadata.has_presence());
    }

    #[test]
    fn presence_is_of_messages_oneofs_and_optional_fields() {
        assert!(field("envoy.config.bootstrap.v3.Bootstrap", "admin").has_presence());
        assert!(field("envoy.config.core.v3.SocketAddress", "port_value").has_presence());
        assert!(!field("envoy.config.core.v3.SocketAddress", "address").has_presence());
    }

    #[test]
    fn annotations_are_kept() {
        let pool = field("envoy.config.cluster.v3.Cluster", "http2_protocol_options");
        assert!(pool.deprecated());
        assert_eq!(pool.deprecated_at_minor_version(), Some("3.0"));
        assert!(!pool.disallowed_by_default());
        assert!(
            field(
                "envoy.extensions.transport_sockets.tls.v3.TlsCertificate",
                "private_key"
            )
            .sensitive()
        );
        let rewrite = field("envoy.api.v2.route.RouteAction", "host_rewrite");
        assert_eq!(rewrite.renamed(), Some("host_rewrite_literal"));
    }
}
