//! What a configuration uses of the API: each set field, type and enum value, with its place.

use nuncio_api as api;

use super::{Status, of_field, of_value};
use crate::span::Span;
use crate::tree::{Message, Value};
use crate::typed::SupportTable;

/// What is used.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// A field, by its message and name.
    Field,
    /// A type by its URL in an `Any`.
    Type,
    /// A value of an enum, by the enum and its name.
    Value,
}

/// Something used at one place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Use {
    /// What kind of thing.
    pub kind: Kind,
    /// The message or enum.
    pub owner: &'static str,
    /// The field or value; empty for a type.
    pub name: &'static str,
    /// Whether it is honoured.
    pub status: Status,
    /// Where it stands: the key of a field, else the value.
    pub span: Span,
    /// Where all of it stands, with what is below.
    pub extent: Span,
}

/// All that a message uses, in the order of the API's field numbers.
pub fn used(table: &SupportTable, message: &Message) -> Vec<Use> {
    let mut walk = Walk {
        table,
        uses: Vec::new(),
    };
    walk.message(message, true);
    walk.uses
}

struct Walk<'t> {
    table: &'t SupportTable,
    uses: Vec<Use>,
}

impl Walk<'_> {
    fn message(&mut self, message: &Message, taken: bool) {
        for entry in message.entries() {
            let Some(field) = message.descriptor.field_by_number(entry.number) else {
                continue;
            };
            // Protobuf cannot tell this from nothing.
            if entry.is_implicit_default() {
                continue;
            }
            let status = match taken {
                true => of_field(self.table, message.name(), field.name()),
                false => Status::Unsupported,
            };
            self.uses.push(Use {
                kind: Kind::Field,
                owner: message.name(),
                name: field.name(),
                status,
                span: entry.key_span(),
                extent: entry.span,
            });
            // What is inert is not looked into.
            if !matches!(status, Status::Inert(_)) {
                self.value(field, &entry.value, entry.span, status.is_taken());
            }
        }
    }

    fn value(&mut self, field: api::Field, value: &Value, span: Span, taken: bool) {
        match value {
            Value::Message(message) => self.message(message, taken),
            Value::Any(any) => {
                let name = any.message.name();
                let taken = taken && self.table.messages.contains_key(name);
                let status = if taken {
                    Status::Honoured
                } else {
                    Status::Unsupported
                };
                self.uses.push(Use {
                    kind: Kind::Type,
                    owner: name,
                    name: "",
                    status,
                    span,
                    extent: span,
                });
                self.message(&any.message, taken);
            }
            Value::List(items) => {
                for item in items {
                    self.value(field, &item.value, item.span, taken);
                }
            }
            Value::Map(items) => {
                for item in items {
                    self.value(field, &item.value, item.span, taken);
                }
            }
            Value::Enum(number) => self.enum_value(field, *number, span, taken),
            _ => {}
        }
    }

    fn enum_value(&mut self, field: api::Field, number: i32, span: Span, taken: bool) {
        let api::Kind::Enum(enumeration) = field.kind() else {
            return;
        };
        let Some(value) = enumeration.by_number(number) else {
            return;
        };
        let status = match taken {
            true => of_value(self.table, enumeration.full_name(), value.name()),
            false => Status::Unsupported,
        };
        self.uses.push(Use {
            kind: Kind::Value,
            owner: enumeration.full_name(),
            name: value.name(),
            status,
            span,
            extent: span,
        });
    }
}
