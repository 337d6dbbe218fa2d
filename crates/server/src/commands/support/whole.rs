//! The report on the whole v3 API.

use std::fmt::Write as _;

use nuncio_config::support::{MessageRow, Row, Status, whole};
use nuncio_config::typed::SupportTable;

use crate::admin::json::Json;

/// How many there are and how many of them are taken.
#[derive(Default)]
struct Count {
    all: usize,
    taken: usize,
}

impl Count {
    fn add(&mut self, is_taken: bool) {
        self.all += 1;
        self.taken += usize::from(is_taken);
    }
}

/// Messages, fields and values of all rows.
struct Totals {
    messages: Count,
    fields: Count,
    values: Count,
}

impl Totals {
    fn of(rows: &[MessageRow]) -> Totals {
        let mut totals = Totals {
            messages: Count::default(),
            fields: Count::default(),
            values: Count::default(),
        };
        for message in rows {
            if !message.is_enum {
                totals.messages.add(message.is_taken);
            }
            let count = if message.is_enum {
                &mut totals.values
            } else {
                &mut totals.fields
            };
            message
                .rows
                .iter()
                .for_each(|row| count.add(row.status.is_taken()));
        }
        totals
    }

    fn text(&self) -> String {
        let part = |count: &Count, of: &str| {
            let percent = (count.taken * 100).checked_div(count.all).unwrap_or(0);
            format!("{} of {} {of} ({percent}%)", count.taken, count.all)
        };
        format!(
            "{}, {}, {}",
            part(&self.messages, "messages"),
            part(&self.fields, "fields"),
            part(&self.values, "enum values")
        )
    }
}

/// All messages and enums with a line for each field or value; what nothing takes on one line.
pub(super) fn text(table: &SupportTable) -> String {
    let rows = whole(table);
    let mut out = format!(
        "Honoured of Envoy's v3 API: {}.\n",
        Totals::of(&rows).text()
    );
    for message in &rows {
        if !message.is_taken {
            let _ = write!(out, "\n{}: unsupported\n", message.name);
            continue;
        }
        let (taken, all) = (message.taken(), message.rows.len());
        let _ = write!(out, "\n{}: {taken} of {all}\n", message.name);
        for row in &message.rows {
            let _ = writeln!(
                out,
                "  {:<12}{}{}",
                row.status.as_str(),
                row.name,
                reason(row.status)
            );
        }
    }
    out
}

/// The same for machines.
pub(super) fn json(table: &SupportTable) -> String {
    let rows = whole(table);
    let of = |is_enum: bool| {
        let chosen = rows.iter().filter(|row| row.is_enum == is_enum);
        Json::List(chosen.map(|row| message_json(row, is_enum)).collect())
    };
    Json::object()
        .with("messages", of(false))
        .with("enums", of(true))
        .pretty()
}

fn message_json(message: &MessageRow, is_enum: bool) -> Json {
    let rows = message.rows.iter().map(row_json).collect();
    Json::object()
        .with("name", message.name)
        .with("taken", Json::Bool(message.is_taken))
        .with(if is_enum { "values" } else { "fields" }, Json::List(rows))
}

fn row_json(row: &Row) -> Json {
    let mut json = Json::object()
        .with("name", row.name)
        .with("status", row.status.as_str());
    if let Some(oneof) = row.oneof {
        json = json.with("oneof", oneof);
    }
    if let Status::Inert(reason) = row.status {
        json = json.with("reason", reason);
    }
    json
}

/// Why something is accepted without effect.
pub(super) fn reason(status: Status) -> String {
    match status {
        Status::Inert(reason) => format!(": {reason}"),
        _ => String::new(),
    }
}
