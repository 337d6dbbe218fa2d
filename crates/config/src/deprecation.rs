//! Deprecated fields and enum values: a warning each, or an error where Envoy demands a runtime guard. What is marked
//! as work in progress: a warning for each kind.
//!
//! As in Envoy, a use that the API disallows by default is an error inside of an `Any` (an extension's
//! configuration) unless a static runtime layer allows it: `envoy.deprecated_features:<full name>` or
//! `envoy.features.enable_all_deprecated_features`. In the bootstrap itself it is a warning, because
//! Envoy reads it before there is a runtime. `envoy.features.fail_on_any_deprecated_feature` makes
//! every use inside of an `Any` an error. Differences: runtime on disk or from a server is not asked.

use std::collections::{HashMap, HashSet};

use nuncio_api::{self as api, Cardinality, Kind};

use crate::diagnostic::{Diagnostic, Diagnostics, Severity, Uses};
use crate::span::Span;
use crate::tree::{Json, Message, Value};

const PREFIX: &str = "envoy.deprecated_features:";

/// Reports each deprecated thing that the message uses; `guards` are the runtime's.
pub fn check(message: &Message, guards: &Guards, diagnostics: &mut Diagnostics) {
    let mut visitor = Visitor {
        guards,
        diagnostics,
        defaults: HashMap::new(),
        looks: 0,
        uses: Uses::default(),
        told: HashSet::new(),
    };
    visitor.message(message);
    let uses = visitor.uses;
    diagnostics.add_uses(uses);
}

/// The runtime values that bear on deprecation.
#[derive(Clone, Debug, Default)]
pub struct Guards {
    flags: HashMap<String, bool>,
}

impl Guards {
    /// The guards of a bootstrap's static layers, of which later ones win.
    pub fn of_bootstrap(bootstrap: &Message) -> Guards {
        let mut guards = Guards::default();
        let layers = bootstrap
            .find(&["layered_runtime", "layers"])
            .and_then(Value::as_list);
        for layer in layers.unwrap_or_default() {
            let statics = layer
                .value
                .as_message()
                .and_then(|layer| layer.get_by_name("static_layer"));
            if let Some(Value::Json(json)) = statics.map(|entry| &entry.value) {
                guards.add("", json);
            }
        }
        guards
    }

    fn add(&mut self, prefix: &str, json: &Json) {
        let flag = match json {
            Json::Object(members) => {
                for (key, value) in members {
                    let dot = if prefix.is_empty() { "" } else { "." };
                    self.add(&format!("{prefix}{dot}{key}"), value);
                }
                return;
            }
            Json::Bool(value) => *value,
            Json::String(text) if &**text == "true" => true,
            Json::String(text) if &**text == "false" => false,
            _ => return,
        };
        if prefix.starts_with("envoy.deprecated_features:") || prefix.starts_with("envoy.features.")
        {
            self.flags.insert(prefix.to_owned(), flag);
        }
    }

    fn is_set(&self, name: &str) -> bool {
        self.flags.get(name).copied().unwrap_or(false)
    }

    /// Whether a use is refused.
    fn refuses(&self, feature: &str, disallowed: bool) -> bool {
        let refused = disallowed || self.is_set("envoy.features.fail_on_any_deprecated_feature");
        match self.flags.get(&format!("{PREFIX}{feature}")) {
            Some(allowed) => !allowed,
            None => refused && !self.is_set("envoy.features.enable_all_deprecated_features"),
        }
    }
}

struct Visitor<'v> {
    guards: &'v Guards,
    diagnostics: &'v mut Diagnostics,
    /// For each message type its enum fields whose default is deprecated.
    defaults: HashMap<api::Message, Vec<api::Field>>,
    /// How often Envoy looks at the message: not before its counters are there, which is without an `Any` around it.
    looks: u64,
    uses: Uses,
    /// What was said to be work in progress.
    told: HashSet<String>,
}

impl Visitor<'_> {
    fn message(&mut self, message: &Message) {
        if message.descriptor.work_in_progress() {
            let name = message.descriptor.full_name();
            let envoy = format!("message '{name}' is contained in proto file");
            self.unfinished(&format!("`{name}`"), envoy, message.span);
        }
        for entry in message.entries() {
            let Some(field) = message.descriptor.field_by_number(entry.number) else {
                continue;
            };
            if !entry.is_implicit_default() {
                if field.work_in_progress() {
                    let name = full_name(field);
                    let envoy = format!("field '{name}' is marked as work-in-progress");
                    let owner = field.message().full_name();
                    let what = format!("`{}` of `{owner}`", field.name());
                    self.unfinished(&what, envoy, entry.key_span());
                }
                if field.deprecated() {
                    self.field(field, entry.key_span());
                }
                self.value(field, &entry.value, entry.span);
            }
        }
        let defaults = self
            .defaults
            .entry(message.descriptor)
            .or_insert_with(|| deprecated_defaults(message.descriptor));
        for field in defaults.clone() {
            let entry = message.get(field.number());
            if entry.is_none_or(|entry| entry.is_implicit_default()) {
                self.enum_value(field, 0, message.span, true);
            }
        }
    }

    fn value(&mut self, field: api::Field, value: &Value, span: Span) {
        match value {
            Value::Message(message) => self.message(message),
            Value::Any(any) => {
                let outer = std::mem::replace(&mut self.looks, looks_into(field));
                self.message(&any.message);
                self.looks = outer;
            }
            Value::List(items) => items
                .iter()
                .for_each(|item| self.value(field, &item.value, item.span)),
            Value::Map(items) => items
                .iter()
                .for_each(|item| self.value(field, &item.value, item.span)),
            // Envoy does not look at the values of a repeated enum.
            Value::Enum(number) if field.cardinality() == Cardinality::Singular => {
                self.enum_value(field, *number, span, false);
            }
            _ => {}
        }
    }

    fn unfinished(&mut self, what: &str, envoy: String, span: Span) {
        self.uses.unfinished += 1;
        if !self.told.insert(envoy.clone()) {
            return;
        }
        let text = format!("{what} is work in progress: the API may change it in any version");
        let diagnostic = Diagnostic::new(Severity::Warning, span, text);
        self.diagnostics.push(diagnostic.with_envoy(envoy));
    }

    fn field(&mut self, field: api::Field, span: Span) {
        let name = full_name(field);
        let since = field.deprecated_at_minor_version();
        let text = format!(
            "`{}` of `{}` is deprecated",
            field.name(),
            field.message().full_name()
        );
        let envoy = format!("Using deprecated option '{name}'");
        self.report(
            &name,
            field.disallowed_by_default(),
            span,
            (text, envoy),
            since,
        );
    }

    fn enum_value(&mut self, field: api::Field, number: i32, span: Span, default: bool) {
        let Kind::Enum(enumeration) = field.kind() else {
            return;
        };
        let Some(value) = enumeration
            .by_number(number)
            .filter(|value| value.deprecated())
        else {
            return;
        };
        let scope = enumeration
            .full_name()
            .rsplit_once('.')
            .map_or("", |(scope, _)| scope);
        let feature = format!("{scope}.{}", value.name());
        let (text, which) = if default {
            (
                format!(
                    "`{}` must be set: its default `{}` is deprecated",
                    field.name(),
                    value.name()
                ),
                "the default now-",
            )
        } else {
            (format!("`{}` is deprecated", value.name()), "")
        };
        let envoy = format!(
            "Using {which}deprecated value {} for enum '{}'",
            value.name(),
            full_name(field)
        );
        let since = value.deprecated_at_minor_version();
        self.report(
            &feature,
            value.disallowed_by_default(),
            span,
            (text, envoy),
            since,
        );
    }

    fn report(
        &mut self,
        feature: &str,
        disallowed: bool,
        span: Span,
        texts: (String, String),
        since: Option<&str>,
    ) {
        self.uses.deprecated += self.looks;
        let refused = self.looks > 0 && self.guards.refuses(feature, disallowed);
        let severity = if refused {
            Severity::Error
        } else {
            Severity::Warning
        };
        let mut diagnostic = Diagnostic::new(severity, span, texts.0).with_envoy(texts.1);
        if refused {
            let way_out =
                format!("a static runtime layer with `{PREFIX}{feature}: true` allows it for now");
            diagnostic = diagnostic.with_suggestion(way_out);
        } else if let Some(since) = since {
            diagnostic = diagnostic.with_note(format!("since version {since} of the API"));
        }
        self.diagnostics.push(diagnostic);
    }
}

/// A filter's message is looked at as it is made and as it is asked whether it ends its chain.
fn looks_into(any: api::Field) -> u64 {
    match any.message().full_name() {
        "envoy.config.listener.v3.Filter"
        | "envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter" => 2,
        _ => 1,
    }
}

fn deprecated_defaults(message: api::Message) -> Vec<api::Field> {
    let deprecated = |field: &api::Field| match field.kind() {
        Kind::Enum(enumeration) => enumeration
            .by_number(0)
            .is_some_and(|value| value.deprecated()),
        _ => false,
    };
    let singular = message
        .fields()
        .filter(|field| field.cardinality() == Cardinality::Singular);
    singular
        .filter(|field| field.oneof().is_none())
        .filter(deprecated)
        .collect()
}

fn full_name(field: api::Field) -> String {
    format!("{}.{}", field.message().full_name(), field.name())
}
