//! That a field of a configuration which is listed as honoured is read by code.
//!
//! rustc's `dead_code` lint reports a declared field that its crate does not read; what it cannot see are `pub` fields,
//! which another crate might read, and reads that come to nothing. Both are looked for here, as text.

use std::collections::BTreeMap;

use crate::tree::{File, assert_none, rust_files};

/// Bindings of a field to a name that nobody uses, and why they stay: file, statement.
const IDLE_READS: &[(&str, &str)] = &[];

/// Public fields that nobody reads yet and that no configuration sets: what a peer sent, or how a stream went.
const NOT_CONFIGURED: &[(&str, &str)] = &[];

/// Where `dead_code` is allowed: file, and how often.
const DEAD_CODE: &[(&str, usize)] = &[
    // Every declared message has a span; not every room asks.
    ("crates/config/src/typed/macros.rs", 1),
];

#[test]
fn every_public_field_is_read_by_code() {
    let sources = sources();
    let mut wrong = Vec::new();
    let mut excused = 0;
    for file in &sources {
        for field in file.text.lines().filter_map(public_field) {
            if sources.iter().any(|other| reads(&other.text, field)) {
                continue;
            }
            if NOT_CONFIGURED.contains(&(file.path.as_str(), field)) {
                excused += 1;
            } else {
                wrong.push(format!("{}: {field}", file.path));
            }
        }
    }
    assert_none(&wrong, "public fields that no code reads");
    assert_eq!(
        excused,
        NOT_CONFIGURED.len(),
        "an exception excepts nothing"
    );
}

#[test]
fn no_field_is_read_in_vain() {
    let mut wrong = Vec::new();
    for file in sources() {
        for line in file.text.lines().map(str::trim) {
            let is_idle = (line.starts_with("let _") || line.starts_with("_ ="))
                && line.ends_with(';')
                && !line.ends_with(".await;")
                && !line.contains('(');
            let is_a_field = line
                .split('=')
                .nth(1)
                .is_some_and(|right| right.contains('.'));
            let may = IDLE_READS.contains(&(file.path.as_str(), line));
            if is_idle && is_a_field && !may {
                wrong.push(format!("{}: {line}", file.path));
            }
        }
    }
    assert_none(&wrong, "fields that are read and not used");
}

#[test]
fn dead_code_is_allowed_nowhere_else() {
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for file in sources() {
        let allows = file.text.matches("(dead_code").count();
        if allows > 0 {
            found.insert(file.path, allows);
        }
    }
    for (path, count) in DEAD_CODE {
        assert_eq!(found.remove(*path), Some(*count), "{path}");
    }
    let rest: Vec<_> = found.into_keys().collect();
    assert_none(&rest, "files that allow dead code");
}

#[test]
fn readings_are_told_from_assignments() {
    assert!(reads("let x = a.size;", "size") && reads("a.size.max(1)", "size"));
    assert!(reads("let S { size, .. } = s;", "size"));
    assert!(!reads("a.size = 1;", "size") && !reads("a.sizes()", "size"));
    assert!(!reads("a.size()", "size") && !reads("S { size: 1 }", "size"));
    assert_eq!(public_field("    pub size: u8,"), Some("size"));
    assert_eq!(public_field("    pub oneof size: Size,"), Some("size"));
    assert_eq!(public_field("    size: u8,"), None);
    assert_eq!(public_field("pub fn size(a: u8) {"), None);
}

/// The sources of the crates that read configurations, without their tests.
fn sources() -> Vec<File> {
    let own = |file: &File| {
        file.path.starts_with("crates/")
            && file.path.contains("/src/")
            && !file.path.contains("/tests")
            && !file.is_generated()
            && !file.path.starts_with("crates/testkit/")
            // What is sent to a service is written and never read.
            && !file.path.starts_with("crates/service-messages/")
    };
    let without_tests = |mut file: File| {
        if let Some(at) = file.text.find("#[cfg(test)]\nmod tests {") {
            file.text.truncate(at);
        }
        file
    };
    rust_files()
        .into_iter()
        .filter(own)
        .map(without_tests)
        .collect()
}

/// The name in `pub name: Type,` of a struct or a declared message; `pub(crate)` is the lint's.
fn public_field(line: &str) -> Option<&str> {
    let rest = line.trim().strip_prefix("pub ")?;
    let rest = rest.strip_prefix("oneof ").unwrap_or(rest);
    let (name, _) = rest.split_once(": ")?;
    let of_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    name.bytes().all(of_name).then_some(name)
}

/// Whether a text reads a field of that name.
fn reads(text: &str, field: &str) -> bool {
    text.match_indices(field).any(|(at, _)| {
        let before = &text[..at];
        let after = &text[at + field.len()..];
        let whole = !after.starts_with(|next: char| next.is_alphanumeric() || next == '_');
        let of_value = before.ends_with('.') && !after.starts_with('(') && !is_assigned(after);
        let taken_apart =
            (before.ends_with("{ ") || before.ends_with(", ") || before.ends_with("    "))
                && (after.starts_with(',')
                    || after.starts_with(" }")
                    || after.starts_with(": _")
                    || after.starts_with(" ,"));
        whole && (of_value || taken_apart)
    })
}

fn is_assigned(after: &str) -> bool {
    let after = after.trim_start();
    after.starts_with("= ") || after.starts_with("=\n")
}
