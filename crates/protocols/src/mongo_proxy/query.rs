//! What a query asks for: a command, or documents of a collection.

use serde_json::Value as Json;

use super::bson::{Document, Unreadable, Value};
use super::message::Query;

/// The collection that commands are sent to.
const COMMANDS: &[u8] = b"$cmd";
/// A longer comment names no function.
const MAX_COMMENT_BYTES: usize = 4096;

/// What a query asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// To do this.
    Command(String),
    /// Documents.
    Documents(Wanted),
}

/// Which documents.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) collection: String,
    /// The function that asks, if the query tells.
    pub(super) caller: Option<String>,
    pub(super) kind: Kind,
    /// Whether it may take as long as it likes.
    pub(super) has_no_max_time: bool,
}

/// How many it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The one of an id.
    OfId,
    /// Those of several ids.
    MultiGet,
    /// Whatever.
    ScatterGet,
}

/// Says it.
///
/// # Errors
/// The query is of no collection, or no command.
pub(super) fn asked(query: &Query<'_>) -> Result<Asked, Unreadable> {
    let full = query.collection;
    // Wherever it stands, as in Envoy.
    if full.windows(COMMANDS.len()).any(|part| part == COMMANDS) {
        return command(&query.query);
    }
    let dot = full.iter().position(|byte| *byte == b'.');
    let collection = full.get(dot.ok_or(Unreadable)? + 1..).unwrap_or_default();
    let document = &query.query;
    let inner = document.document("$query");
    let max_time = ["$maxTimeMS", "maxTimeMS"].into_iter().find_map(|name| {
        let value = document.get(name)?;
        matches!(value, Value::Integer(1..)).then_some(())
    });
    Ok(Asked::Documents(Wanted {
        collection: owned(collection),
        caller: caller(document.text("$comment")),
        kind: kind([Some(document), inner]),
        has_no_max_time: max_time.is_none(),
    }))
}

fn command(document: &Document<'_>) -> Result<Asked, Unreadable> {
    let command = document.document("$query").unwrap_or(document);
    let (name, value) = command.fields.first().ok_or(Unreadable)?;
    if *name != b"find" {
        return Ok(Asked::Command(owned(name)));
    }
    let Value::Text(collection) = value else {
        return Err(Unreadable);
    };
    Ok(Asked::Documents(Wanted {
        collection: owned(collection),
        caller: caller(command.text("comment")),
        kind: kind([command.document("filter"), None]),
        // Envoy does not look at what commands say of it.
        has_no_max_time: true,
    }))
}

fn kind(documents: [Option<&Document<'_>>; 2]) -> Kind {
    let id = documents.iter().flatten().find_map(|it| it.get("_id"));
    match id {
        None => Kind::ScatterGet,
        Some(Value::Document(_) | Value::Array) => Kind::MultiGet,
        Some(_) => Kind::OfId,
    }
}

/// The function that a comment names.
fn caller(comment: Option<&[u8]>) -> Option<String> {
    let comment = comment.filter(|comment| comment.len() <= MAX_COMMENT_BYTES)?;
    let json: Json = serde_json::from_slice(comment).ok()?;
    let name = json.get("callingFunction")?.as_str()?;
    Some(name.to_owned())
}

fn owned(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}
