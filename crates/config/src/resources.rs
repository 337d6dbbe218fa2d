//! Resources that a file or a server says, and files of them, as a control plane would send them: a `DiscoveryResponse` in YAML, JSON, protobuf text or
//! binary, whichever the file's name says.
//!
//! As in Envoy, fields that the API does not have are passed over with a warning unless [`UnknownFields`] says
//! otherwise, and the rules of the resources are checked by who unpacks them ([`unpack`]). Difference: files in
//! protobuf's binary format with a field that nobody knows are refused.
//!
//! Limits: those of [`Limits`].

use std::collections::HashSet;
use std::sync::Arc;

use nuncio_api as api;

use crate::bootstrap::{read, read_text};
use crate::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::interpret::{Reading, interpret_with};
use crate::report::{self, Style};
use crate::source::{Format, Source, Sources};
use crate::text::{self, Kind, Limits};
use crate::tree::{Any, Message, Value};
use crate::validate::{validate, validate_own};
use crate::wire;

const RESPONSE: &str = "envoy.service.discovery.v3.DiscoveryResponse";
const WRAPPER: &str = "envoy.service.discovery.v3.Resource";

/// What becomes of fields that the API does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownFields {
    /// They are passed over, and told.
    #[default]
    Warned,
    /// They are an error.
    Refused,
    /// They are passed over in silence.
    Ignored,
}

/// What a file or a server says.
#[derive(Clone, Debug, Default)]
pub struct Response {
    /// `version_info`.
    pub version: Box<str>,
    /// The resources, in order; what was wrapped with a version of its own is unwrapped.
    pub resources: Vec<Arc<Any>>,
    /// Their versions, where each has one of its own; else all have that of the response.
    pub versions: Vec<Box<str>>,
    /// All names that those that came are known by, some of which are of nothing; of virtual hosts alone.
    pub names: Vec<Box<str>>,
    /// Those of them that are of nothing.
    pub missing: Vec<Box<str>>,
    /// What went, where this tells what changed alone; none where these are all there are.
    pub removed: Option<Vec<Box<str>>>,
    /// What to count of fields that the API does not have: one for a text, one a message for bytes.
    pub unknown_fields: Vec<String>,
    /// The text, for later findings.
    pub sources: Sources,
    /// What was passed over.
    pub warnings: Diagnostics,
}

/// Why a file cannot be read.
#[derive(Clone, Debug)]
pub struct Unreadable {
    /// In Envoy's words.
    pub envoy: String,
    /// Whether nothing is wrong but fields that the API does not have.
    pub has_unknown_fields_alone: bool,
    diagnostics: Diagnostics,
    sources: Sources,
}

impl Unreadable {
    /// All that is wrong, with its places.
    pub fn render(&self, style: Style) -> String {
        report::render(&self.diagnostics, &self.sources, style)
    }
}

/// Reads a file of resources.
///
/// # Errors
/// If it cannot be read, or is no such response.
pub fn read_response(
    path: &str,
    unknown: UnknownFields,
    limits: &Limits,
) -> Result<Response, Box<Unreadable>> {
    let mut sources = Sources::default();
    let mut diagnostics = Diagnostics::default();
    let message = message(path, (unknown, limits), &mut sources, &mut diagnostics);
    finished(message, unknown, sources, diagnostics)
}

/// Reads what a server says in JSON; `origin` is what it is called in findings.
///
/// # Errors
/// If it is no such response.
pub fn parse_response(
    origin: &str,
    json: &[u8],
    unknown: UnknownFields,
    limits: &Limits,
) -> Result<Response, Box<Unreadable>> {
    let mut sources = Sources::default();
    let mut diagnostics = Diagnostics::default();
    let text = String::from_utf8_lossy(json);
    let source = Source::new(origin, Format::Json, text);
    let message = api::message(RESPONSE).and_then(|kind| {
        let how = (unknown, limits);
        parsed(kind, source, how, &mut sources, &mut diagnostics)
    });
    finished(message, unknown, sources, diagnostics)
}

fn finished(
    message: Option<Message>,
    unknown: UnknownFields,
    sources: Sources,
    mut diagnostics: Diagnostics,
) -> Result<Response, Box<Unreadable>> {
    if unknown == UnknownFields::Ignored {
        diagnostics = diagnostics.filter(|found| !is_of_unknown_field(found));
    }
    diagnostics.sort();
    match message {
        Some(message) if !diagnostics.has_errors() => {
            let unknown = diagnostics.iter().filter(|one| is_of_unknown_field(one));
            let unknown: Vec<&str> = unknown.map(|one| one.message.as_str()).collect();
            let unknown_fields = match unknown.is_empty() {
                true => Vec::new(),
                false => vec![unknown.join("\n")],
            };
            Ok(Response {
                version: message
                    .find(&["version_info"])
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .into(),
                resources: resources(&message),
                versions: Vec::new(),
                names: Vec::new(),
                missing: Vec::new(),
                removed: None,
                unknown_fields,
                sources,
                warnings: diagnostics,
            })
        }
        _ => Err(Box::new(Unreadable {
            envoy: first_error(&diagnostics),
            has_unknown_fields_alone: has_unknown_fields_alone(&diagnostics),
            diagnostics,
            sources,
        })),
    }
}

/// Whether all that is wrong is fields that the API does not have.
fn has_unknown_fields_alone(diagnostics: &Diagnostics) -> bool {
    let mut errors = diagnostics
        .iter()
        .filter(|found| found.severity == Severity::Error);
    errors.all(is_of_unknown_field)
}

/// Whether this is said of a field that the API does not have.
pub fn is_of_unknown_field(found: &Diagnostic) -> bool {
    found.message.starts_with("there is no field")
}

/// The resource as a message of the wanted type, its rules checked; errors are reported.
pub fn unpack(wanted: &str, any: &Any, diagnostics: &mut Diagnostics) -> Option<Arc<Message>> {
    unpack_checked(wanted, any, validate, diagnostics)
}

/// The same without the rules of what is in an `Any`, which [`validate_nested`](crate::validate::validate_nested) checks:
/// as in Envoy that is wrong with one of several resources only.
pub fn unpack_own(wanted: &str, any: &Any, diagnostics: &mut Diagnostics) -> Option<Arc<Message>> {
    unpack_checked(wanted, any, validate_own, diagnostics)
}

fn unpack_checked(
    wanted: &str,
    any: &Any,
    check: fn(&Message, &mut Diagnostics),
    diagnostics: &mut Diagnostics,
) -> Option<Arc<Message>> {
    if any.type_name() != wanted {
        let text = format!("Unable to unpack as {wanted}: [{}]", any.type_url);
        diagnostics.error(any.message.span, text);
        return None;
    }
    let before = diagnostics.errors();
    check(&any.message, diagnostics);
    (diagnostics.errors() == before).then(|| Arc::clone(&any.message))
}

/// The first error in Envoy's words; mistakes count before what is not supported yet.
pub fn first_error(diagnostics: &Diagnostics) -> String {
    let errors = || {
        let all = diagnostics.iter();
        all.filter(|found| found.severity == Severity::Error)
    };
    let first = errors().find(|found| !found.is_unsupported());
    let first = first.or_else(|| errors().next());
    first
        .map(|found| found.envoy.clone().unwrap_or_else(|| found.message.clone()))
        .unwrap_or_default()
}

fn message(
    path: &str,
    (unknown, limits): (UnknownFields, &Limits),
    sources: &mut Sources,
    diagnostics: &mut Diagnostics,
) -> Option<Message> {
    let descriptor = api::message(RESPONSE)?;
    if Format::of_path(path) == Format::ProtoBinary {
        return match read(path, limits) {
            Ok(bytes) => wire::decode(descriptor, &bytes, diagnostics),
            Err(diagnostic) => {
                diagnostics.push(diagnostic);
                None
            }
        };
    }
    let source = match read_text(path, limits) {
        Ok(source) => source,
        Err(diagnostic) => {
            diagnostics.push(diagnostic);
            return None;
        }
    };
    let how = (unknown, limits);
    parsed(descriptor, source, how, sources, diagnostics)
}

fn parsed(
    descriptor: api::Message,
    source: Source,
    (unknown, limits): (UnknownFields, &Limits),
    sources: &mut Sources,
    diagnostics: &mut Diagnostics,
) -> Option<Message> {
    let index = sources.add(source.clone());
    let mut node = text::parse(&source, index, limits, diagnostics)?;
    if source.format == Format::ProtoText {
        text::proto::shape(descriptor, &mut node);
    }
    if !matches!(node.kind, Kind::Map(_) | Kind::List(_)) && source.format == Format::Yaml {
        let envoy = format!("Unable to convert YAML as JSON: {}", source.text);
        let text = format!("expected a map, found {}", node.describe());
        diagnostics.push(Diagnostic::error(node.span, text).with_envoy(envoy));
        return None;
    }
    let how = Reading {
        unknown_fields: match unknown {
            UnknownFields::Refused => Severity::Error,
            UnknownFields::Warned | UnknownFields::Ignored => Severity::Warning,
        },
        unusable: &HashSet::new(),
    };
    interpret_with(descriptor, &node, how, diagnostics)
}

fn resources(response: &Message) -> Vec<Arc<Any>> {
    let items = response.find(&["resources"]).and_then(Value::as_list);
    let items = items.unwrap_or_default().iter();
    items.filter_map(|item| as_any(&item.value)).collect()
}

fn as_any(value: &Value) -> Option<Arc<Any>> {
    let Value::Any(any) = value else { return None };
    if any.type_name() != WRAPPER {
        return Some(Arc::clone(any));
    }
    as_any(any.message.find(&["resource"])?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(name: &str, text: &str) -> Result<Response, Box<Unreadable>> {
        let path = std::env::temp_dir().join(format!("nuncio-{}-{name}", std::process::id()));
        std::fs::write(&path, text).expect("it can be written");
        let unknown = UnknownFields::default();
        let read = read_response(&path.to_string_lossy(), unknown, &Limits::default());
        std::fs::remove_file(&path).expect("it can be removed");
        read
    }

    const CLUSTER: &str = "'@type': type.googleapis.com/envoy.config.cluster.v3.Cluster, name: c";

    #[test]
    fn a_response_has_a_version_and_resources() {
        let text = format!("version_info: v1\nresources: [{{{CLUSTER}}}]");
        let response = reading("plain.yaml", &text).expect("it is sound");
        assert_eq!(&*response.version, "v1");
        assert_eq!(response.resources.len(), 1);
        let mut found = Diagnostics::default();
        let cluster = "envoy.config.cluster.v3.Cluster";
        assert!(unpack(cluster, &response.resources[0], &mut found).is_some());
        let listener = "envoy.config.listener.v3.Listener";
        assert!(unpack(listener, &response.resources[0], &mut found).is_none());
    }

    #[test]
    fn a_resource_may_be_wrapped() {
        let text = format!(
            "resources: [{{'@type': type.googleapis.com/{WRAPPER}, name: c, resource: {{{CLUSTER}}}}}]"
        );
        let response = reading("wrapped.yaml", &text).expect("it is sound");
        assert!(response.resources[0].type_name().ends_with(".Cluster"));
    }

    #[test]
    fn unknown_fields_are_passed_over_and_unknown_types_are_not() {
        let text = format!("resources: [{{{CLUSTER}, colour: blue}}]");
        let response = reading("colour.yaml", &text).expect("it is sound");
        assert_eq!(response.unknown_fields.len(), 1);
        let text = "resources: [{'@type': type.googleapis.com/none.Such}]";
        assert!(reading("none.yaml", text).is_err());
    }

    #[test]
    fn unknown_fields_are_an_error_or_nothing_where_that_is_wished_for() {
        let text = r#"{"resources": [{"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": "c", "colour": 1}]}"#;
        let read = |unknown| parse_response("it", text.as_bytes(), unknown, &Limits::default());
        let refused = read(UnknownFields::Refused).expect_err("there is one");
        assert!(refused.has_unknown_fields_alone);
        assert!(refused.envoy.contains("no such field: 'colour'"));
        let passed = read(UnknownFields::Ignored).expect("it is passed over");
        assert!(passed.unknown_fields.is_empty() && passed.warnings.is_empty());
    }

    #[test]
    fn a_text_that_is_no_map_is_no_response() {
        let refused = reading("empty.yaml", "").expect_err("it is empty");
        assert!(refused.envoy.starts_with("Unable to convert YAML as JSON"));
    }
}
