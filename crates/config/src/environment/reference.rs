//! References to variables in a string.

/// A part of a string.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'t> {
    /// As it stands.
    Text(&'t str),
    /// `${NAME}` or `${NAME:-default}`, and how it was written.
    Variable {
        name: &'t str,
        default: Option<&'t str>,
        written: &'t str,
    },
    /// Something that begins with `${` and is no reference.
    Malformed(&'t str),
}

/// Takes a string apart.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, from) = rest.split_at(at);
        if let Some(before) = before.strip_suffix('$') {
            // The second dollar and the brace stay.
            push_text(before, &mut pieces);
            let (kept, after) = from.split_at(2);
            push_text(kept, &mut pieces);
            rest = after;
            continue;
        }
        push_text(before, &mut pieces);
        let end = from.find('}').map_or(from.len(), |end| end + 1);
        let (written, after) = from.split_at(end);
        pieces.push(reference(written));
        rest = after;
    }
    push_text(rest, &mut pieces);
    pieces
}

fn push_text<'t>(text: &'t str, pieces: &mut Vec<Piece<'t>>) {
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
}

fn reference(written: &str) -> Piece<'_> {
    let inner = written
        .strip_prefix("${")
        .and_then(|inner| inner.strip_suffix('}'));
    let Some(inner) = inner else {
        return Piece::Malformed(written);
    };
    let (name, default) = match inner.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inner, None),
    };
    let is_first = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    let is_name = name.bytes().next().is_some_and(is_first)
        && name
            .bytes()
            .all(|byte| is_first(byte) || byte.is_ascii_digit());
    if !is_name {
        return Piece::Malformed(written);
    }
    Piece::Variable {
        name,
        default,
        written,
    }
}
