//! `FieldMask` from its text: `a.bC,d` has the paths `a.b_c` and `d`, and `a(b,c)` the paths `a.b` and `a.c`.

use crate::wire::put_bytes;

/// How deep parentheses may nest.
const MAX_DEPTH: usize = 32;

/// The message of a text.
pub(super) fn message(text: &str) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let mut prefixes: Vec<String> = Vec::new();
    let mut current = String::new();
    let mut put = |prefixes: &[String], segment: &str| {
        if !segment.is_empty() {
            put_bytes(&mut out, 1, path(prefixes.last(), segment).as_bytes());
        }
    };
    for letter in text.chars() {
        match letter {
            ',' => put(&prefixes, &std::mem::take(&mut current)),
            '(' if prefixes.len() == MAX_DEPTH => {
                return Err(format!("Invalid FieldMask '{text}'. It nests too deep."));
            }
            '(' => {
                let prefix = path(prefixes.last(), &std::mem::take(&mut current));
                prefixes.push(prefix);
            }
            ')' => {
                put(&prefixes, &std::mem::take(&mut current));
                if prefixes.pop().is_none() {
                    return Err(format!(
                        "Invalid FieldMask '{text}'. Cannot find matching '(' for all ')'."
                    ));
                }
            }
            _ => current.push(letter),
        }
    }
    put(&prefixes, &current);
    match prefixes.is_empty() {
        true => Ok(out),
        false => Err(format!(
            "Invalid FieldMask '{text}'. Cannot find matching ')' for all '('."
        )),
    }
}

fn path(prefix: Option<&String>, segment: &str) -> String {
    let mut out = String::new();
    if let Some(prefix) = prefix.filter(|prefix| !prefix.is_empty()) {
        out.push_str(prefix);
        out.push('.');
    }
    for letter in segment.chars() {
        if letter.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}
