//! Resources as they travel, opened for those who watch.

use std::sync::Arc;

use nuncio_config::diagnostic::{Diagnostics, Severity};
use nuncio_config::resources::{Response, UnknownFields, first_error, unpack};
use nuncio_config::tree::{Any, Value};
use nuncio_config::wire;
use nuncio_config::wire::discovery::{RawAny, open};

/// The field that is a resource's name, by its type; it is `name` for all others.
const NAME_FIELDS: [(&str, &str); 1] = [(
    "envoy.config.endpoint.v3.ClusterLoadAssignment",
    "cluster_name",
)];

/// Why a resource with a negative `ttl`, or a very long one, has its response rejected.
pub(super) const INVALID_LIFE: &str = "Invalid duration: Duration out-of-range";

/// What is checked of a resource when it is opened.
#[derive(Clone, Copy)]
pub(super) struct Checks {
    /// Its rules, as far as one that breaks them must not let others run.
    pub(super) rules: bool,
    /// Fields that the API does not have.
    pub(super) unknown: UnknownFields,
}

/// A resource with its name.
pub(super) struct Opened {
    pub(super) name: Box<str>,
    pub(super) version: Box<str>,
    pub(super) any: Arc<Any>,
    unknown: Vec<wire::UnknownFieldSet>,
}

impl Opened {
    /// Opens a resource.
    pub(super) fn open(raw: &RawAny, version: &str, how: Checks) -> Result<Self, String> {
        let mut found = Diagnostics::default();
        let mut unknown = Vec::new();
        let Some(any) = open(raw, &mut unknown, &mut found) else {
            return Err(first_error(&found));
        };
        let kind = any.type_name();
        match how.unknown {
            UnknownFields::Warned => {}
            UnknownFields::Ignored => unknown.clear(),
            UnknownFields::Refused => {
                if let Some(first) = unknown.first() {
                    found.push(first.finding());
                    return Err(first_error(&found));
                }
            }
        }
        if how.rules && unpack(kind, &any, &mut found).is_none() {
            return Err(first_error(&found));
        }
        let field = NAME_FIELDS.iter().find(|(of, _)| *of == kind);
        let field = field.map_or("name", |(_, field)| field);
        let name = any.message.find(&[field]).and_then(Value::as_str);
        Ok(Opened {
            name: name.unwrap_or_default().into(),
            version: version.into(),
            unknown,
            any,
        })
    }
}

/// What a watcher is told of resources.
pub(super) fn response<'o>(
    version: &str,
    opened: impl Iterator<Item = &'o Opened>,
    removed: Option<Vec<Box<str>>>,
) -> Box<Response> {
    let mut response = Response {
        version: version.into(),
        removed,
        ..Response::default()
    };
    for one in opened {
        response.resources.push(Arc::clone(&one.any));
        if response.removed.is_some() {
            response.versions.push(one.version.clone());
        }
        for field in &one.unknown {
            let mut found = field.finding();
            found.severity = Severity::Warning;
            let text = found.envoy.clone().unwrap_or_default();
            response.unknown_fields.push(text);
            response.warnings.push(found);
        }
    }
    Box::new(response)
}
