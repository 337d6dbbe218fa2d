//! What is honoured of the API: collected from the declarations that the code itself reads with.

use std::collections::{BTreeMap, BTreeSet};

/// What is honoured of one message.
#[derive(Clone, Debug, Default)]
pub struct MessageSupport {
    /// Fields that code reads.
    pub fields: BTreeSet<&'static str>,
    /// Fields that are accepted without effect, and why that is safe.
    pub inert: BTreeMap<&'static str, &'static str>,
    declared_by: BTreeSet<&'static str>,
}

/// What is honoured of one enum.
#[derive(Clone, Debug, Default)]
pub struct EnumSupport {
    /// The values that code knows.
    pub values: BTreeSet<&'static str>,
}

/// The whole table; filled by [`FromValue::support`](crate::typed::FromValue::support) of each room's type.
#[derive(Clone, Debug, Default)]
pub struct SupportTable {
    /// Messages by full name.
    pub messages: BTreeMap<&'static str, MessageSupport>,
    /// Enums by full name.
    pub enums: BTreeMap<&'static str, EnumSupport>,
    /// Declared names that the API does not have: mistakes in the code, `message.field`.
    pub unknown: BTreeSet<String>,
}

impl SupportTable {
    /// Begins a message as a Rust type declares it; false when that type was here before.
    pub fn enter(&mut self, message: &'static str, declared_by: &'static str) -> bool {
        self.messages
            .entry(message)
            .or_default()
            .declared_by
            .insert(declared_by)
    }

    /// Lists a message that is honoured whole, though no declaration lists its fields: it has none that count.
    pub fn add_message(&mut self, message: &'static str) {
        self.messages.entry(message).or_default();
    }

    /// Lists a field that code reads.
    pub fn add_field(&mut self, message: &'static str, field: &'static str) {
        self.messages
            .entry(message)
            .or_default()
            .fields
            .insert(field);
    }

    /// Lists a field that is accepted without effect.
    pub fn add_inert(&mut self, message: &'static str, field: &'static str, reason: &'static str) {
        self.messages
            .entry(message)
            .or_default()
            .inert
            .insert(field, reason);
    }

    /// Lists a value of an enum.
    pub fn add_enum_value(&mut self, name: &'static str, value: &'static str) {
        self.enums.entry(name).or_default().values.insert(value);
    }

    /// Notes a declared name that the API does not have.
    pub fn add_unknown(&mut self, message: &'static str, field: &str) {
        self.unknown.insert(format!("{message}.{field}"));
    }
}
