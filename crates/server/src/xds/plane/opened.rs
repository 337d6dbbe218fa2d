//! Resources as they travel, opened for those who watch.

use std::sync::Arc;

use nuncio_config::diagnostic::{Diagnostic, Diagnostics, Severity};
use nuncio_config::resources::{Response, first_error, unpack};
use nuncio_config::span::Span;
use nuncio_config::tree::{Any, Value};
use nuncio_config::wire::discovery::{RawAny, open};

/// The field that is a resource's name, by its type; it is `name` for all others.
const NAME_FIELDS: [(&str, &str); 1] = [(
    "envoy.config.endpoint.v3.ClusterLoadAssignment",
    "cluster_name",
)];

/// Why a resource with a negative `ttl`, or a very long one, has its response rejected.
pub(super) const INVALID_LIFE: &str = "Invalid duration: Duration out-of-range";

/// A resource with its name.
pub(super) struct Opened {
    pub(super) name: Box<str>,
    pub(super) version: Box<str>,
    pub(super) any: Arc<Any>,
    warnings: Vec<String>,
}

impl Opened {
    /// Opens a resource; its rules are checked now if `checks`, as far as one that breaks them must not let others run.
    pub(super) fn open(raw: &RawAny, version: &str, checks: bool) -> Result<Self, String> {
        let mut found = Diagnostics::default();
        let mut warnings = Vec::new();
        let Some(any) = open(raw, &mut warnings, &mut found) else {
            return Err(first_error(&found));
        };
        let kind = any.type_name();
        if checks && unpack(kind, &any, &mut found).is_none() {
            return Err(first_error(&found));
        }
        let field = NAME_FIELDS.iter().find(|(of, _)| *of == kind);
        let field = field.map_or("name", |(_, field)| field);
        let name = any.message.find(&[field]).and_then(Value::as_str);
        Ok(Opened {
            name: name.unwrap_or_default().into(),
            version: version.into(),
            warnings,
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
        for warning in &one.warnings {
            let mut found = Diagnostic::error(Span::NONE, warning.clone());
            found.severity = Severity::Warning;
            response.has_unknown_fields = true;
            response.warnings.push(found);
        }
    }
    Box::new(response)
}
