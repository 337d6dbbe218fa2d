//! The v2 upgrade: rewrites a v2 bootstrap to v3 before it is interpreted, and says what it changed.
//!
//! A file is v2 when it names a v2 type, or when it names no type of Envoy's at all and has a form that
//! only v2 knows. A v3 file with a stray v2 field is left as it is, for it is an error in Envoy too;
//! the diagnostics then suggest the v3 name.
//!
//! What is rewritten: v2 type URLs, extensions' old names, untyped `config`, fields that v3 renamed
//! (the same number under another name) and the forms that it dropped (one file each in `forms`).
//! An extension that is gone is dropped if it only watched (a tracer, a DynamoDB filter) and the change
//! says so; any other, and v1 JSON inside of v2 (`deprecated_v1`), stays and is refused by what follows. Envoy itself never upgraded past 1.17; it refuses all of these today.
//!
//! Two meanings change with v3 and are said in the change: regular expressions are RE2, and management
//! servers, authorization, rate limit and log services are spoken to in v3.

mod edit;
mod extensions;
mod forms;
mod names;
mod signs;
mod versions;
mod walk;
mod yaml;

use nuncio_api as api;

use crate::sorting;
use crate::span::Span;
use crate::text::Node;

pub use yaml::to_yaml;

/// One thing that the upgrade changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Where the old form stands.
    pub span: Span,
    /// The field path of what was changed.
    pub path: String,
    /// What was changed, in words.
    pub what: String,
}

/// Upgrades a bootstrap in place and says what it changed. A v3 bootstrap stays as it is.
pub fn run(root: &mut Node, changes: &mut Vec<Change>) {
    run_as("envoy.config.bootstrap.v3.Bootstrap", root, changes);
}

/// Like [`run`], for another message: a resource in a file, by its v3 name.
pub fn run_as(v3_name: &str, root: &mut Node, changes: &mut Vec<Change>) {
    let Some(message) = api::message(v3_name) else {
        return;
    };
    let signs = signs::find(root);
    if signs.names_v3 && !signs.names_v2 {
        return;
    }
    let mut found = Vec::new();
    walk::Upgrader::new(&mut found, walk::Pass::Forms).message(root, message);
    if !found.is_empty() || signs.names_v2 {
        walk::Upgrader::new(&mut found, walk::Pass::Versions).message(root, message);
    }
    sorting::sort_by_key(&mut found, |change| (change.span.source, change.span.start));
    changes.append(&mut found);
}

/// Rewrites what early releases of v3 took and Envoy 1.40 does not: extensions without a configuration, types of
/// `v3alpha`, and servers that are spoken to in v2.
///
/// Only for those who ask for an upgrade: a load refuses these, as Envoy does.
pub fn renew(root: &mut Node, changes: &mut Vec<Change>) {
    if let Some(message) = api::message("envoy.config.bootstrap.v3.Bootstrap") {
        walk::Upgrader::new(changes, walk::Pass::Renewal).message(root, message);
    }
}

/// Rewrites v2's forms in a file that names v3 types: as a file is while it is moved to v3 by hand.
///
/// Only for those who ask for an upgrade, and where the file is wrong as it stands.
pub fn force(root: &mut Node, changes: &mut Vec<Change>) {
    if let Some(message) = api::message("envoy.config.bootstrap.v3.Bootstrap") {
        walk::Upgrader::new(changes, walk::Pass::Forms).message(root, message);
    }
}

#[cfg(test)]
mod tests;
