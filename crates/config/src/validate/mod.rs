//! The API's validation rules (protoc-gen-validate) over the message tree: all violations at once.
//!
//! Each finding says in plain words what must be, where, and keeps the text that Envoy gives:
//! `Proto constraint validation failed (ClusterValidationError.Name: value length must be ...)`.
//! Rules apply inside of each `Any` too, where Envoy begins its text anew. Beside the rules, a
//! negative duration is refused anywhere, as in Envoy, and so is one that is longer than Envoy's longest.
//!
//! As in Envoy, messages that it unpacks without asking for their rules are taken as they are ([`UNCHECKED`]).
//!
//! Differences from Envoy: an `Any` that Envoy never unpacks is checked here as well.

mod names;
mod numbers;
mod plan;
mod strings;
mod values;

use std::sync::Arc;

use nuncio_api::{self as api, Cardinality, Kind, MessageRules, RuleSet, Rules};

use crate::diagnostic::Diagnostics;
use crate::interpret::enum_value_meant;
use crate::span::Span;
use crate::tree::{Entry, LONGEST_DURATION_SECONDS, Message, NANOS_PER_SECOND, Value};
use plan::Plans;

/// Messages whose rules count for nothing.
const UNCHECKED: [&str; 3] = [
    "envoy.extensions.matching.common_inputs.transport_socket.v3.EndpointMetadataInput",
    "envoy.extensions.matching.common_inputs.transport_socket.v3.LocalityMetadataInput",
    "envoy.extensions.matching.common_inputs.transport_socket.v3.TransportSocketNameAction",
];

/// Checks a message and all inside of it.
pub fn validate(message: &Message, diagnostics: &mut Diagnostics) {
    Validator::new(true, diagnostics).message(message);
}

/// Checks a message, but nothing inside of any `Any`.
pub fn validate_own(message: &Message, diagnostics: &mut Diagnostics) {
    Validator::new(false, diagnostics).message(message);
}

/// Checks what [`validate_own`] leaves: all inside of each `Any`.
pub fn validate_nested(message: &Message, diagnostics: &mut Diagnostics) {
    let mut validator = Validator::new(true, diagnostics);
    each_any(message, &mut |any| validator.any(any));
}

/// Calls `found` for the message in each `Any`, but for those inside of others.
fn each_any(message: &Message, found: &mut impl FnMut(&Arc<Message>)) {
    let values = message.entries().iter().map(|entry| &entry.value);
    values.for_each(|value| each_any_of(value, found));
}

fn each_any_of(value: &Value, found: &mut impl FnMut(&Arc<Message>)) {
    match value {
        Value::Any(any) => found(&any.message),
        Value::Message(message) => each_any(message, found),
        Value::List(items) => items
            .iter()
            .for_each(|item| each_any_of(&item.value, found)),
        Value::Map(items) => items
            .iter()
            .for_each(|item| each_any_of(&item.value, found)),
        _ => {}
    }
}

struct Validator<'d> {
    /// Whether what is inside of an `Any` is checked too.
    enters: bool,
    plans: Plans,
    /// From the outermost message (or the last `Any`) to the field being checked.
    steps: Vec<Step>,
    diagnostics: &'d mut Diagnostics,
}

struct Step {
    field: api::Field,
    index: Option<Box<str>>,
}

impl<'d> Validator<'d> {
    fn new(enters: bool, diagnostics: &'d mut Diagnostics) -> Self {
        Validator {
            enters,
            plans: Plans::default(),
            steps: Vec::new(),
            diagnostics,
        }
    }

    fn message(&mut self, message: &Message) {
        let descriptor = message.descriptor;
        if descriptor.rules_disabled() || descriptor.rules_ignored() {
            return;
        }
        if UNCHECKED.contains(&descriptor.full_name()) {
            return;
        }
        for entry in message.entries() {
            if let Some(field) = message.descriptor.field_by_number(entry.number) {
                self.steps.push(Step { field, index: None });
                self.entry(field, entry);
                self.steps.pop();
            }
        }
        let plan = self.plans.of(message.descriptor);
        for &field in plan.when_absent.iter() {
            if message.get(field.number()).is_none() {
                self.steps.push(Step { field, index: None });
                self.absent(field, message.span);
                self.steps.pop();
            }
        }
        for &oneof in plan.required_oneofs.iter() {
            if !oneof
                .fields()
                .any(|field| message.get(field.number()).is_some())
            {
                self.missing_oneof(message, oneof);
            }
        }
    }

    fn entry(&mut self, field: api::Field, entry: &Entry) {
        if matches!(entry.value, Value::Refused) {
            return;
        }
        let rules = field.rules();
        match field.cardinality() {
            Cardinality::Singular => self.value(field.kind(), rules, &entry.value, entry.span),
            Cardinality::Repeated => self.list(field, rules.and_then(Rules::set), entry),
            Cardinality::Map { key, value } => {
                self.map(key, value, rules.and_then(Rules::set), entry)
            }
        }
    }

    fn absent(&mut self, field: api::Field, span: Span) {
        let Some(rules) = field.rules() else { return };
        let wrapper =
            matches!(field.kind(), Kind::Message(_)) && values::is_scalar_rule(rules.set());
        if rules.message().required || values::is_required(rules.set()) {
            let reason = if wrapper {
                "value is required and must not be nil."
            } else {
                "value is required"
            };
            return self.violation(span, reason.to_owned(), None);
        }
        if field.has_presence() || wrapper {
            return;
        }
        let reasons = match (field.cardinality(), rules.set()) {
            (Cardinality::Repeated, Some(RuleSet::Repeated(rules))) => {
                values::count_of_items(rules, 0)
            }
            (Cardinality::Map { .. }, Some(RuleSet::Map(rules))) => {
                values::count_of_pairs(rules, 0)
            }
            (Cardinality::Singular, Some(set)) => values::default_of(field.kind())
                .and_then(|value| self.reason(set, field.kind(), &value)),
            _ => None,
        };
        if let Some(reason) = reasons {
            self.violation(span, reason, None);
        }
    }

    fn list(&mut self, field: api::Field, set: Option<RuleSet>, entry: &Entry) {
        let Value::List(items) = &entry.value else {
            return;
        };
        let rules = match set {
            Some(RuleSet::Repeated(rules)) => Some(rules),
            _ => None,
        };
        let skip = rules.is_some_and(|rules| rules.ignore_empty() && items.is_empty());
        if let Some(reason) = rules
            .filter(|_| !skip)
            .and_then(|rules| values::count_of_items(rules, items.len()))
        {
            self.violation(entry.span, reason, Some(&entry.value));
        }
        if rules.is_some_and(|rules| rules.unique()) {
            for index in values::repeated(items) {
                self.set_index(index.to_string().into());
                let span = items.get(index).map_or(entry.span, |item| item.span);
                self.violation(
                    span,
                    "repeated value must contain unique items".to_owned(),
                    None,
                );
            }
        }
        let item_rules = rules.and_then(|rules| rules.items());
        if item_rules.is_none() && !matches!(field.kind(), Kind::Message(_)) {
            return;
        }
        for (index, item) in items.iter().enumerate() {
            self.set_index(index.to_string().into());
            self.value(field.kind(), item_rules, &item.value, item.span);
        }
    }

    fn map(&mut self, key_kind: Kind, kind: Kind, set: Option<RuleSet>, entry: &Entry) {
        let Value::Map(items) = &entry.value else {
            return;
        };
        let rules = match set {
            Some(RuleSet::Map(rules)) => Some(rules),
            _ => None,
        };
        let skip = rules.is_some_and(|rules| rules.ignore_empty() && items.is_empty());
        if let Some(reason) = rules
            .filter(|_| !skip)
            .and_then(|rules| values::count_of_pairs(rules, items.len()))
        {
            self.violation(entry.span, reason, Some(&entry.value));
        }
        let key_rules = rules.and_then(|rules| rules.keys()).and_then(Rules::set);
        let value_rules = rules.and_then(|rules| rules.values());
        for item in items {
            self.set_index(item.key.clone());
            if let (Some(set), Kind::String) = (key_rules, key_kind)
                && let Some(reason) = self.reason(set, key_kind, &Value::String(item.key.clone()))
            {
                self.violation(item.key_span, reason, Some(&entry.value));
            }
            if value_rules.is_some() || matches!(kind, Kind::Message(_)) {
                self.value(kind, value_rules, &item.value, item.span);
            }
        }
    }

    /// One value that is set, against its rules and, when it is a message, against those inside.
    fn value(&mut self, kind: Kind, rules: Option<Rules>, value: &Value, span: Span) {
        if let Value::Duration(seconds, nanos) = value
            && (*seconds < 0 || *nanos < 0)
        {
            let envoy = format!("Invalid duration: Expected positive duration: seconds: {seconds}");
            let text = "a duration may not be negative";
            self.diagnostics.error(span, text).envoy(envoy);
            return;
        }
        if is_too_long(value) {
            let text = "the duration is out of range";
            let envoy = "Invalid duration: Duration out-of-range";
            self.diagnostics.error(span, text).envoy(envoy);
            return;
        }
        if let Some(reason) = rules
            .and_then(Rules::set)
            .and_then(|set| self.reason(set, kind, value))
        {
            self.violation(span, reason, Some(value));
        }
        match value {
            Value::Message(message) => {
                let skip = rules
                    .map(Rules::message)
                    .is_some_and(|rules: MessageRules| rules.skip);
                if !skip && rules.and_then(Rules::set).is_none() {
                    self.message(message);
                }
            }
            Value::Any(any) if self.enters => self.any(&any.message),
            _ => {}
        }
    }

    fn any(&mut self, message: &Arc<Message>) {
        let outer = std::mem::take(&mut self.steps);
        self.message(message);
        self.steps = outer;
    }

    fn reason(&mut self, set: RuleSet, kind: Kind, value: &Value) -> Option<String> {
        values::reason(set, kind, value, &mut self.plans.patterns)
    }

    fn set_index(&mut self, index: Box<str>) {
        if let Some(step) = self.steps.last_mut() {
            step.index = Some(index);
        }
    }

    fn missing_oneof(&mut self, message: &Message, oneof: api::Oneof) {
        let names: Vec<&str> = oneof
            .fields()
            .filter(|field| !field.deprecated())
            .map(|field| field.name())
            .collect();
        let text = format!("`{}` needs one of `{}`", message.name(), names.join("`, `"));
        let envoy = format!("field: \"{}\", reason: is required", oneof.name());
        let envoy = self.with_causes(envoy, self.steps.len());
        self.diagnostics.error(message.span, text).envoy(envoy);
    }

    fn violation(&mut self, span: Span, reason: String, value: Option<&Value>) {
        let Some(step) = self.steps.last() else {
            return;
        };
        let mut text = names::in_plain_words(step.field, &reason, value.is_none());
        if let Some(shown) = value.and_then(values::shown) {
            text += &format!(", found {shown}");
        }
        let envoy = format!(
            "{}: {reason}",
            names::error_name(step.field, step.index.as_deref())
        );
        let envoy = self.with_causes(envoy, self.steps.len() - 1);
        let meant = match (step.field.kind(), value) {
            (Kind::Enum(of), Some(Value::Enum(number))) if of.by_number(*number).is_none() => {
                enum_value_meant(of, &number.to_string())
            }
            _ => None,
        };
        let note = self.diagnostics.error(span, text).envoy(envoy);
        if let Some(meant) = meant {
            note.suggest(format!("did you mean `{meant}`?"));
        }
    }

    /// Envoy's text: what is around the violation, outermost first.
    fn with_causes(&self, innermost: String, steps: usize) -> String {
        let mut text = String::from("Proto constraint validation failed (");
        for step in self.steps.iter().take(steps) {
            text += &names::error_name(step.field, step.index.as_deref());
            text += ": embedded message failed validation | caused by ";
        }
        text + &innermost + ")"
    }
}

/// Whether it is a duration that nobody can reckon with; it is none that is negative.
fn is_too_long(value: &Value) -> bool {
    let Value::Duration(seconds, nanos) = value else {
        return false;
    };
    seconds.unsigned_abs() > LONGEST_DURATION_SECONDS || nanos.unsigned_abs() >= NANOS_PER_SECOND
}
