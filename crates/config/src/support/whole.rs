//! The whole v3 API, message by message.

use std::collections::BTreeSet;

use nuncio_api as api;

use super::{Status, of_field, of_value};
use crate::sorting;
use crate::typed::SupportTable;

/// Packages of v3 that are no configuration.
const NO_CONFIGURATION: [&str; 4] = [
    "envoy.admin.",
    "envoy.data.",
    "envoy.service.",
    "envoy.annotations.",
];

/// A field or a value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// Whether it is honoured.
    pub status: Status,
    /// The oneof that a field is a member of.
    pub oneof: Option<&'static str>,
}

/// A message or an enum with all it has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MessageRow {
    /// The full name.
    pub name: &'static str,
    /// Whether it is an enum.
    pub is_enum: bool,
    /// Whether any code takes it.
    pub is_taken: bool,
    /// Its fields, or its values.
    pub rows: Vec<Row>,
}

impl MessageRow {
    /// How many of its fields or values are taken.
    pub fn taken(&self) -> usize {
        self.rows.iter().filter(|row| row.status.is_taken()).count()
    }
}

/// All messages of the v3 API that are configuration and all enums of their fields, by name.
pub fn whole(table: &SupportTable) -> Vec<MessageRow> {
    let mut enums = BTreeSet::new();
    let mut all = Vec::new();
    for message in api::messages().filter(|message| is_configuration(message.full_name())) {
        for field in message.fields() {
            if let api::Kind::Enum(enumeration) = field.kind() {
                let is_taken = of_field(table, message.full_name(), field.name()).is_taken();
                enums.insert((enumeration.full_name(), is_taken));
            }
        }
        all.push(of_message(table, message));
    }
    let taken: BTreeSet<_> = enums
        .iter()
        .filter(|(_, taken)| *taken)
        .map(|(name, _)| *name)
        .collect();
    let names: BTreeSet<_> = enums.iter().map(|(name, _)| *name).collect();
    for name in names.into_iter().filter(|name| is_configuration(name)) {
        all.extend(of_enum(table, name, taken.contains(name)));
    }
    sorting::sort_by_key(&mut all, |row| row.name);
    all
}

fn of_message(table: &SupportTable, message: api::Message) -> MessageRow {
    let name = message.full_name();
    let row = |field: api::Field| Row {
        name: field.name(),
        status: of_field(table, name, field.name()),
        oneof: field.oneof().map(|oneof| oneof.name()),
    };
    MessageRow {
        name,
        is_enum: false,
        is_taken: table.messages.contains_key(name),
        rows: message.fields().map(row).collect(),
    }
}

fn of_enum(table: &SupportTable, name: &str, is_taken: bool) -> Option<MessageRow> {
    let enumeration = api::enumeration(name)?;
    let row = |value: api::EnumValue| Row {
        name: value.name(),
        status: if is_taken {
            of_value(table, name, value.name())
        } else {
            Status::Unsupported
        },
        oneof: None,
    };
    Some(MessageRow {
        name: enumeration.full_name(),
        is_enum: true,
        is_taken,
        rows: enumeration.values().map(row).collect(),
    })
}

fn is_configuration(name: &str) -> bool {
    let is_v3 = name.starts_with("xds.") || (name.starts_with("envoy.") && name.contains(".v3."));
    is_v3
        && !NO_CONFIGURATION
            .iter()
            .any(|package| name.starts_with(package))
}
