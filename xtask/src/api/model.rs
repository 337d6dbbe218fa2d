//! File descriptors -> the API's messages and enums, with Envoy's and PGV's annotations.
//!
//! Field numbers below are those of `google/protobuf/descriptor.proto` and of
//! the option extensions in `validate/`, `envoy/annotations/`, `udpa/annotations/` and `xds/annotations/`.

use std::collections::BTreeMap;

use super::wire::{self, WireField};

/// Everything that the tables are made of, by full name.
#[derive(Default)]
pub(crate) struct Model {
    pub(crate) messages: BTreeMap<String, MessageDef>,
    pub(crate) enums: BTreeMap<String, EnumDef>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct MessageDef {
    pub(crate) fields: Vec<FieldDef>,
    pub(crate) oneofs: Vec<OneofDef>,
    pub(crate) previous: Option<String>,
    pub(crate) map_entry: bool,
    pub(crate) deprecated: bool,
    pub(crate) work_in_progress: bool,
    pub(crate) rules_disabled: bool,
    pub(crate) rules_ignored: bool,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct OneofDef {
    pub(crate) name: String,
    pub(crate) required: bool,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct FieldDef {
    pub(crate) name: String,
    pub(crate) number: u32,
    /// `FieldDescriptorProto.Type`.
    pub(crate) kind: u32,
    /// The full name of the message or enum; empty for scalars.
    pub(crate) type_name: String,
    pub(crate) repeated: bool,
    pub(crate) presence: bool,
    pub(crate) oneof: Option<usize>,
    pub(crate) deprecated: bool,
    pub(crate) deprecated_at: String,
    pub(crate) disallowed_by_default: bool,
    pub(crate) sensitive: bool,
    pub(crate) work_in_progress: bool,
    pub(crate) renamed: String,
    pub(crate) oneof_promotion: String,
    /// `validate.FieldRules`, encoded.
    pub(crate) rules: Vec<u8>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct EnumDef {
    pub(crate) values: Vec<EnumValueDef>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct EnumValueDef {
    pub(crate) name: String,
    pub(crate) number: i32,
    pub(crate) deprecated: bool,
    pub(crate) deprecated_at: String,
    pub(crate) disallowed_by_default: bool,
    pub(crate) renamed: String,
}

const GROUP: u32 = 10;
const MESSAGE: u32 = 11;

/// What a file says about all that is declared in it.
struct Context {
    proto3: bool,
    work_in_progress: bool,
}

impl Model {
    /// Adds one `FileDescriptorProto`.
    pub(crate) fn add_file(&mut self, file: &[u8]) {
        let fields = wire::fields(file);
        let text = |number| {
            fields
                .iter()
                .find(|field| field.number == number)
                .map(|field| field.value.text())
        };
        let options = last_bytes(&fields, 8);
        let status = |number| {
            let annotation = wire::field(options, number).map_or(&[][..], |value| value.bytes());
            wire::field(annotation, 1).is_some_and(|value| value.flag())
        };
        let context = Context {
            proto3: text(12).as_deref() == Some("proto3"),
            work_in_progress: status(222_707_719) || status(226_829_418),
        };
        let package = text(2).unwrap_or_default();
        for field in &fields {
            match field.number {
                4 => self.add_message(&package, field.value.bytes(), &context),
                5 => self.add_enum(&package, field.value.bytes()),
                _ => {}
            }
        }
    }

    fn add_message(&mut self, scope: &str, message: &[u8], context: &Context) {
        let parts = wire::fields(message);
        let full_name = format!("{scope}.{}", last_text(&parts, 1));
        let mut definition = message_options(last_bytes(&parts, 7));
        definition.work_in_progress |= context.work_in_progress;
        for part in &parts {
            let bytes = part.value.bytes();
            match part.number {
                2 => definition.fields.push(field_definition(bytes, context)),
                3 => self.add_message(&full_name, bytes, context),
                4 => self.add_enum(&full_name, bytes),
                8 => definition.oneofs.push(oneof_definition(bytes)),
                _ => {}
            }
        }
        drop_synthetic_oneofs(&mut definition);
        definition.fields.sort_by_key(|field| field.number);
        self.messages.insert(full_name, definition);
    }

    fn add_enum(&mut self, scope: &str, enumeration: &[u8]) {
        let parts = wire::fields(enumeration);
        let full_name = format!("{scope}.{}", last_text(&parts, 1));
        let values = parts.iter().filter(|part| part.number == 2);
        let values = values
            .map(|part| enum_value_definition(part.value.bytes()))
            .collect();
        self.enums.insert(full_name, EnumDef { values });
    }
}

/// A proto3 `optional` field sits in a oneof of its own, which no user ever sees.
fn drop_synthetic_oneofs(definition: &mut MessageDef) {
    let used = |index| {
        definition
            .fields
            .iter()
            .any(|field| field.oneof == Some(index))
    };
    let kept = (0..definition.oneofs.len())
        .take_while(|index| used(*index))
        .count();
    definition.oneofs.truncate(kept);
}

fn message_options(options: &[u8]) -> MessageDef {
    let mut definition = MessageDef::default();
    for WireField { number, value } in wire::fields(options) {
        let annotation_flag = || wire::field(value.bytes(), 1).is_some_and(|value| value.flag());
        match number {
            3 => definition.deprecated = value.flag(),
            7 => definition.map_entry = value.flag(),
            1071 => definition.rules_disabled = value.flag(),
            1072 => definition.rules_ignored = value.flag(),
            7_881_811 => {
                definition.previous = wire::field(value.bytes(), 1).map(|name| name.text())
            }
            226_829_418 => definition.work_in_progress = annotation_flag(),
            _ => {}
        }
    }
    definition
}

fn oneof_definition(oneof: &[u8]) -> OneofDef {
    let parts = wire::fields(oneof);
    let required = wire::field(last_bytes(&parts, 2), 1071);
    OneofDef {
        name: last_text(&parts, 1),
        required: required.is_some_and(|value| value.flag()),
    }
}

fn field_definition(field: &[u8], context: &Context) -> FieldDef {
    let mut definition = FieldDef::default();
    let mut proto3_optional = false;
    for WireField { number, value } in wire::fields(field) {
        match number {
            1 => definition.name = value.text(),
            3 => definition.number = value.number() as u32,
            4 => definition.repeated = value.number() == 3,
            5 => definition.kind = value.number() as u32,
            6 => definition.type_name = value.text().trim_start_matches('.').to_owned(),
            8 => field_options(value.bytes(), &mut definition),
            9 => definition.oneof = Some(value.number() as usize),
            17 => proto3_optional = value.flag(),
            _ => {}
        }
    }
    let is_message = definition.kind == MESSAGE || definition.kind == GROUP;
    let explicit = definition.oneof.is_some() || !context.proto3 || is_message;
    definition.presence = !definition.repeated && explicit;
    if proto3_optional {
        definition.oneof = None;
    }
    definition
}

fn field_options(options: &[u8], definition: &mut FieldDef) {
    for WireField { number, value } in wire::fields(options) {
        let annotation = |number| wire::field(value.bytes(), number);
        match number {
            3 => definition.deprecated = value.flag(),
            // Protobuf merges a message option that is written in parts by joining its bytes.
            1071 => definition.rules.extend_from_slice(value.bytes()),
            76_569_463 => definition.sensitive = value.flag(),
            157_299_826 => definition.deprecated_at = value.text(),
            171_962_766 => {
                definition.renamed = annotation(1).map(|name| name.text()).unwrap_or_default();
                definition.oneof_promotion =
                    annotation(2).map(|name| name.text()).unwrap_or_default();
            }
            189_503_207 => definition.disallowed_by_default = value.flag(),
            226_829_418 => {
                definition.work_in_progress = annotation(1).is_some_and(|value| value.flag())
            }
            _ => {}
        }
    }
}

fn enum_value_definition(value: &[u8]) -> EnumValueDef {
    let parts = wire::fields(value);
    let number = parts
        .iter()
        .find(|part| part.number == 2)
        .map_or(0, |part| part.value.number());
    let mut definition = EnumValueDef {
        name: last_text(&parts, 1),
        number: number as i32,
        ..EnumValueDef::default()
    };
    for WireField { number, value } in wire::fields(last_bytes(&parts, 3)) {
        match number {
            1 => definition.deprecated = value.flag(),
            70_100_853 => definition.disallowed_by_default = value.flag(),
            171_962_766 => {
                definition.renamed = wire::field(value.bytes(), 1)
                    .map(|name| name.text())
                    .unwrap_or_default()
            }
            181_198_657 => definition.deprecated_at = value.text(),
            _ => {}
        }
    }
    definition
}

fn last_bytes<'a>(fields: &[WireField<'a>], number: u32) -> &'a [u8] {
    let found = fields.iter().rfind(|field| field.number == number);
    found.map_or(&[], |field| field.value.bytes())
}

fn last_text(fields: &[WireField<'_>], number: u32) -> String {
    String::from_utf8_lossy(last_bytes(fields, number)).into_owned()
}
