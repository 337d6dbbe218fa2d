//! Patterns for names of stats.

/// Whether `name` matches `pattern`, in which `*` stands for any text.
pub(crate) fn glob(pattern: &str, name: &str) -> bool {
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else {
        return false;
    };
    let mut last = None;
    for piece in pieces {
        let Some(at) = rest.find(piece) else {
            return false;
        };
        last = Some(piece);
        rest = &rest[at + piece.len()..];
    }
    last.map_or(rest.is_empty(), |piece| {
        piece.is_empty() || rest.is_empty() || name.ends_with(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn a_star_stands_for_any_text() {
        assert!(glob("a.b", "a.b"));
        assert!(!glob("a.b", "a.bc"));
        assert!(glob("a.*", "a.bc"));
        assert!(glob(
            "listener.*.cx_total",
            "listener.127.0.0.1_80.cx_total"
        ));
        assert!(!glob("listener.*.cx_total", "listener.x.cx_active"));
    }
}
