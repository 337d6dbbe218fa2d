//! The metadata that a request asks for, with some keys left out, without a copy.

use std::hash::{Hash, Hasher};

use nuncio_contract::stream_info::metadata::{Struct, Value};

/// A request's metadata and which of its keys count.
#[derive(Clone, Copy)]
pub(super) struct Criteria<'a> {
    fields: &'a Struct,
    kept: u64,
}

impl<'a> Criteria<'a> {
    pub(super) fn all(fields: &'a Struct) -> Self {
        Self {
            fields,
            kept: u64::MAX,
        }
    }

    /// Those whose keys are among `keys`.
    pub(super) fn only(self, keys: &[Box<str>]) -> Self {
        self.filter(|name| keys.iter().any(|key| **key == *name))
    }

    pub(super) fn without(self, key: &str) -> Self {
        self.filter(|name| name != key)
    }

    fn filter(self, keeps: impl Fn(&str) -> bool) -> Self {
        let kept = (0_u32..64)
            .zip(self.fields.fields())
            .filter(|(place, (name, _))| self.kept & (1 << place) != 0 && keeps(name))
            .fold(0, |kept, (place, _)| kept | (1 << place));
        Self { kept, ..self }
    }

    /// Sorted by name.
    pub(super) fn iter(self) -> impl Iterator<Item = (&'a str, &'a Value)> + Clone {
        let fields: &'a Struct = self.fields;
        (0_u32..64)
            .zip(fields.fields())
            .filter(move |(place, _)| self.kept & (1 << place) != 0)
            .map(|(_, field)| field)
    }

    /// A copy with the fields of `more`, which win.
    pub(super) fn merged(self, more: &Struct) -> Struct {
        let mut merged: Struct = self
            .iter()
            .map(|(name, value)| (Box::from(name), value.clone()))
            .collect();
        for (name, value) in more.fields() {
            merged.insert(name, value.clone());
        }
        merged
    }
}

/// Hashes fields so that equal ones have equal hashes.
pub(super) fn hash_fields<'v>(
    fields: impl Iterator<Item = (&'v str, &'v Value)>,
    state: &mut impl Hasher,
) {
    for (name, value) in fields {
        name.hash(state);
        hash_value(value, state);
    }
}

fn hash_value(value: &Value, state: &mut impl Hasher) {
    match value {
        Value::Null => 0_u8.hash(state),
        // 0 and -0 are equal.
        Value::Number(number) => (number + 0.0).to_bits().hash(state),
        Value::String(text) => text.hash(state),
        Value::Bool(value) => value.hash(state),
        Value::Struct(fields) => {
            fields.fields().len().hash(state);
            hash_fields(fields.fields(), state);
        }
        Value::List(values) => {
            values.len().hash(state);
            values.iter().for_each(|value| hash_value(value, state));
        }
    }
}
