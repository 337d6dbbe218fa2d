//! Commands without a key: they go to all hosts, or to one of them, of the cluster that keys without a prefix belong to.

use nuncio_codec::resp::Value;

use super::{Begun, NO_HOST, Outcome, fragments, in_one_line, info, number_of, plain, words_of};
use crate::around::Around;
use crate::commands::{Words, word};

/// What of a cluster may be asked.
const CLUSTER_SUBCOMMANDS: [&[u8]; 4] = [b"info", b"slots", b"keyslot", b"nodes"];

/// How the answers of all hosts become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Join {
    /// They have to be the same.
    Same,
    /// Numbers are added.
    Sum,
    /// Arrays are put behind each other.
    Merge,
    /// Arrays become the parts of one.
    Append,
    /// What hosts say of themselves is put together field by field.
    Info,
}

/// How a command is put together; none where Envoy knows no way.
fn join_of(words: &Words) -> Option<Join> {
    let command = word(words, 0).to_ascii_lowercase();
    let subcommand = word(words, 1).to_ascii_lowercase();
    Some(match (command.as_slice(), subcommand.as_slice()) {
        (b"script" | b"flushall" | b"flushdb" | b"select", _) => Join::Same,
        (b"config", b"set" | b"rewrite" | b"resetstat") | (b"slowlog", b"reset") => Join::Same,
        (b"config" | b"slowlog", b"get") | (b"keys", _) => Join::Merge,
        (b"slowlog", b"len") => Join::Sum,
        (b"role", _) => Join::Append,
        (b"info", _) => Join::Info,
        _ => return None,
    })
}

/// A command that all hosts get.
pub(super) fn all(words: &Words, around: &Around<'_>) -> Begun {
    let Some(pool) = around.pool_of_none(words) else {
        return Begun::error(NO_HOST);
    };
    if pool.shard_count() == 0 {
        return Begun::error(NO_HOST);
    }
    let Some(join) = join_of(words) else {
        return Begun::error(UNSUPPORTED);
    };
    let answers = pool.send_to_all(words);
    let section = word(words, 1).to_vec();
    Begun::Asked(Box::pin(async move {
        let values = fragments::all(answers).await;
        match join {
            Join::Info => info::joined(&section, &values),
            _ => joined(join, values),
        }
    }))
}

/// `SCAN`: all shards get the same cursor. As in Envoy their answers stand one behind the other, with their cursors, but
/// in the order of the shards.
pub(super) fn scan(words: &Words, around: &Around<'_>) -> Begun {
    let pool = around.pool_of_none(words);
    let Some(pool) = pool.filter(|pool| pool.shard_count() > 0) else {
        return Begun::error(NO_HOST);
    };
    let answers = pool.send_to_all(words);
    Begun::Asked(Box::pin(async move {
        let values = fragments::all(answers).await;
        let is_none = |value: &&Value| !matches!(value, Value::Array(_));
        match values.iter().filter(is_none).count() {
            0 => joined(Join::Merge, values),
            errors => fragments::finished_with(errors),
        }
    }))
}

const UNSUPPORTED: &str = "ERR unsupported cluster scope command or invalid arguments";

/// One answer of several.
pub(super) fn joined(join: Join, values: Vec<Value>) -> Outcome {
    if let Some(error) = values.iter().find(|it| matches!(it, Value::Error(_))) {
        return Outcome {
            value: error.clone(),
            is_success: false,
        };
    }
    let value = match join {
        Join::Same | Join::Info => {
            let mut each = values.into_iter();
            let first = each.next().unwrap_or(Value::Null);
            if each.any(|other| other != first) {
                return Outcome::error("all responses not same");
            }
            first
        }
        Join::Sum => {
            let mut sum: i64 = 0;
            for value in values {
                match value {
                    Value::Integer(number @ 0..) => sum = sum.saturating_add(number),
                    Value::Integer(_) => {
                        return Outcome::error("negative value received from upstream");
                    }
                    _ => return Outcome::error("non-integer response received from shard"),
                }
            }
            Value::Integer(sum)
        }
        Join::Merge | Join::Append => {
            let mut whole = Vec::new();
            for value in values {
                match value {
                    Value::Array(mut parts) if join == Join::Merge => whole.append(&mut parts),
                    Value::Array(_) => whole.push(value),
                    _ => return Outcome::error("non-array response received from shard"),
                }
            }
            Value::Array(whole)
        }
    };
    Outcome::success(value)
}

/// A command that one host gets, whichever.
pub(super) fn one(words: &Words, around: &Around<'_>) -> Begun {
    let (command, subcommand) = (word(words, 0), word(words, 1));
    if command.eq_ignore_ascii_case(b"cluster") {
        let known = subcommand.to_ascii_lowercase();
        if !CLUSTER_SUBCOMMANDS.contains(&known.as_slice()) {
            let mut text = b"ERR cluster subcommand '".to_vec();
            text.extend_from_slice(&known);
            text.extend_from_slice(b"' is not supported");
            return Begun::error(in_one_line(text));
        }
    }
    let pool = around.pool_of_none(words);
    match pool.and_then(|pool| pool.send_to_any(around.random(), words)) {
        Some(answer) => Begun::Asked(plain(answer)),
        None => Begun::error(NO_HOST),
    }
}

/// `INFO.SHARD <number> [sections]`.
pub(super) fn shard(words: &Words, around: &Around<'_>) -> Begun {
    let number = number_of(word(words, 1)).and_then(|number| usize::try_from(number).ok());
    let Some(number) = number else {
        return Begun::error("ERR invalid shard_id - must be a numeric shard index");
    };
    let Some(pool) = around.pool_of_none(words) else {
        return Begun::error(NO_HOST);
    };
    let count = pool.shard_count();
    let Some(last) = count.checked_sub(1) else {
        return Begun::error(NO_HOST);
    };
    if number > last {
        return Begun::error(format!("ERR shard_id {number} out of range (0-{last})"));
    }
    let mut sent: Vec<&[u8]> = vec![b"INFO"];
    sent.extend(words.iter().skip(2).map(Vec::as_slice));
    match pool.send_to_shard(number, &words_of(&sent)) {
        Some(answer) => Begun::Asked(plain(answer)),
        None => Begun::error(NO_HOST),
    }
}
