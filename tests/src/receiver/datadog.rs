//! Traces as Datadog's agent is told of them: each an entry, with its spans in their order.

use std::collections::BTreeMap;

use serde_json::Value;

use super::decode::Words;
use super::msgpack;

/// What is different each time.
const HIDDEN: [&str; 4] = ["start", "duration", "process_id", "runtime-id"];
const IDS: [&str; 3] = ["trace_id", "span_id", "parent_id"];

/// The traces of a report.
pub(super) fn traces(mut bytes: &[u8]) -> Words {
    let mut words = Words::default();
    let Some(Value::Array(traces)) = msgpack::take(&mut bytes) else {
        words.about.push("no array of traces".to_owned());
        return words;
    };
    for trace in &traces {
        let spans = trace.as_array().map(Vec::as_slice).unwrap_or_default();
        let mut lines = Vec::new();
        for span in spans {
            lines.push("span".to_owned());
            for (name, value) in span.as_object().into_iter().flatten() {
                append(&mut lines, name, value);
            }
        }
        words.entries.push(lines);
    }
    words
}

fn append(lines: &mut Vec<String>, name: &str, value: &Value) {
    match value {
        Value::Object(members) => {
            lines.push(format!("  {name}"));
            let sorted: BTreeMap<_, _> = members.iter().collect();
            for (name, value) in sorted {
                append(lines, &format!("  {name}"), value);
            }
        }
        _ if HIDDEN.contains(&name.trim()) => lines.push(format!("  {name}: <...>")),
        Value::Number(id) if IDS.contains(&name) => {
            let id = id.as_u64().unwrap_or_default();
            lines.push(match id {
                0 => format!("  {name}: none"),
                id => format!("  {name}: {id:016x}"),
            });
        }
        value => lines.push(format!("  {name}: {value}")),
    }
}
