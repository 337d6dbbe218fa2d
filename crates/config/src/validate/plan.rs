//! What to check of a message beside the fields that are set: worked out once a type.

use std::collections::HashMap;
use std::rc::Rc;

use nuncio_api as api;

use super::strings::Patterns;

/// The checks of absent fields.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Fields that may not be absent, or whose default breaks a rule.
    pub(super) when_absent: Vec<api::Field>,
    /// Oneofs of which one member must be set.
    pub(super) required_oneofs: Vec<api::Oneof>,
}

/// The plans made so far.
#[derive(Default)]
pub(super) struct Plans {
    by_message: HashMap<api::Message, Rc<Plan>>,
    pub(super) patterns: Patterns,
}

impl Plans {
    pub(super) fn of(&mut self, message: api::Message) -> Rc<Plan> {
        Rc::clone(
            self.by_message
                .entry(message)
                .or_insert_with(|| Rc::new(plan(message))),
        )
    }
}

fn plan(message: api::Message) -> Plan {
    let with_rules = message
        .fields()
        .filter(|field| field.rules().is_some() && field.oneof().is_none());
    Plan {
        when_absent: with_rules.collect(),
        required_oneofs: message.oneofs().filter(|oneof| oneof.required()).collect(),
    }
}
