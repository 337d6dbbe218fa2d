//! `runtime`, the admin's access log, and the node's `build_version`.

use crate::span::Span;
use crate::text::{Entry, Kind, Node};
use crate::upgrade::edit;
use crate::upgrade::walk::Upgrader;

/// `runtime` becomes the layers that v2 made of it: the base, the directory, the directory of the
/// service cluster, and the admin's.
pub(super) fn runtime(upgrader: &mut Upgrader<'_>, entries: &mut Vec<Entry>) {
    if edit::has(entries, "layered_runtime") {
        return;
    }
    let Some(mut taken) = edit::take_message(entries, "runtime") else {
        return;
    };
    upgrader.changed(taken.key_span, "runtime", "moved to `layered_runtime`");
    let span = taken.value.span;
    let mut nothing = Vec::new();
    let old = taken.value.entries_mut().unwrap_or(&mut nothing);
    let mut layers = Vec::new();
    if let Some(base) = edit::take(old, "base") {
        layers.push(layer("base", "static_layer", base.value));
    }
    let root = edit::take(old, "symlink_root");
    if let Some(root) = root.filter(|root| root.value.as_str().is_some_and(|path| !path.is_empty()))
    {
        let disk = |subdirectory: Option<edit::Taken>| {
            let mut fields = vec![("symlink_root", root.value.clone())];
            fields.extend(subdirectory.map(|taken| ("subdirectory", taken.value)));
            fields
        };
        let subdirectory = edit::take(old, "subdirectory");
        layers.push(layer(
            "root",
            "disk_layer",
            edit::map(Span::NONE, disk(subdirectory)),
        ));
        if let Some(over) = edit::take(old, "override_subdirectory") {
            let mut fields = disk(Some(over));
            fields.push((
                "append_service_cluster",
                Node::new(Span::NONE, Kind::Bool(true)),
            ));
            layers.push(layer(
                "override",
                "disk_layer",
                edit::map(Span::NONE, fields),
            ));
        }
    }
    layers.push(layer(
        "admin",
        "admin_layer",
        edit::map(Span::NONE, Vec::new()),
    ));
    let layered = edit::map(span, vec![("layers", edit::list(Span::NONE, layers))]);
    edit::insert(
        entries,
        taken.at,
        "layered_runtime",
        taken.key_span,
        layered,
    );
}

fn layer(name: &str, kind: &str, value: Node) -> Node {
    edit::map(
        Span::NONE,
        vec![("name", edit::string(name)), (kind, value)],
    )
}

/// v3 knows its own version: `build_version` is dropped.
pub(super) fn build_version(upgrader: &mut Upgrader<'_>, entries: &mut Vec<Entry>) {
    if let Some(taken) = edit::take(entries, "build_version") {
        upgrader.changed(
            taken.key_span,
            "build_version",
            "dropped: it has no use in v3",
        );
    }
}

/// `access_log_path` becomes an access log. v3 still takes the path, so this alone makes no file v2.
pub(in crate::upgrade) fn access_log_path(upgrader: &mut Upgrader<'_>, entries: &mut Vec<Entry>) {
    if edit::has(entries, "access_log") {
        return;
    }
    let Some(taken) = edit::take(entries, "access_log_path") else {
        return;
    };
    upgrader.changed(taken.key_span, "access_log_path", "moved to `access_log`");
    if taken.value.as_str() == Some("") {
        return;
    }
    let url =
        edit::string("type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog");
    let config = edit::map(Span::NONE, vec![("@type", url), ("path", taken.value)]);
    let log = edit::map(
        Span::NONE,
        vec![
            ("name", edit::string("envoy.access_loggers.file")),
            ("typed_config", config),
        ],
    );
    edit::insert(
        entries,
        taken.at,
        "access_log",
        taken.key_span,
        edit::list(Span::NONE, vec![log]),
    );
}
