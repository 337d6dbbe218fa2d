//! What of the API is honoured, told from the table that the declarations fill: for all of it (`whole.rs`) and for
//! what a configuration uses (`used.rs`).
//!
//! A field is honoured if a declared message lists it; a value of an enum likewise. Where a declared field takes an
//! enum that no declaration lists, all its values count. Below something that is not honoured nothing is.

#[cfg(test)]
mod tests;
mod used;
mod whole;

pub use used::{Kind, Use, used};
pub use whole::{MessageRow, Row, whole};

use crate::typed::SupportTable;

/// Whether something is honoured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// Code acts on it.
    Honoured,
    /// It is accepted and nothing depends on it, for this reason.
    Inert(&'static str),
    /// It is refused when it is set.
    Unsupported,
}

impl Status {
    /// In a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Honoured => "honoured",
            Status::Inert(_) => "inert",
            Status::Unsupported => "unsupported",
        }
    }

    /// Whether a configuration that uses it is taken.
    pub fn is_taken(self) -> bool {
        self != Status::Unsupported
    }
}

/// The status of a field.
pub(crate) fn of_field(table: &SupportTable, message: &str, field: &str) -> Status {
    let Some(support) = table.messages.get(message) else {
        return Status::Unsupported;
    };
    match support.inert.get(field) {
        _ if support.fields.contains(field) => Status::Honoured,
        Some(reason) => Status::Inert(reason),
        None => Status::Unsupported,
    }
}

/// The status of a value of an enum.
fn of_value(table: &SupportTable, enumeration: &str, value: &str) -> Status {
    match table.enums.get(enumeration) {
        Some(support) if !support.values.contains(value) => Status::Unsupported,
        _ => Status::Honoured,
    }
}
