//! Names from configuration as parts of stat names.

/// `name` with `://`, `:/`, `:` and NUL replaced by `_`, without a leading dot and with a single trailing dot
/// (nothing for an empty name), as Envoy makes a scope's prefix of a name.
pub fn sanitize(name: &str) -> String {
    let name = name.trim_end_matches('.');
    let name = name.strip_prefix('.').unwrap_or(name);
    let mut prefix = String::with_capacity(name.len() + 1);
    let mut rest = name;
    while let Some(at) = rest.find([':', '\0']) {
        let (before, found) = rest.split_at(at);
        prefix.push_str(before);
        prefix.push('_');
        let skipped = ["://", ":/", ":", "\0"]
            .iter()
            .find(|pattern| found.starts_with(**pattern));
        rest = found.split_at(skipped.map_or(1, |pattern| pattern.len())).1;
    }
    prefix.push_str(rest);
    if !prefix.is_empty() {
        prefix.push('.');
    }
    prefix
}

#[cfg(test)]
mod tests {
    use super::sanitize;

    #[test]
    fn addresses_and_urls_lose_what_separates_their_parts() {
        assert_eq!(sanitize("listener.127.0.0.1:80"), "listener.127.0.0.1_80.");
        assert_eq!(sanitize("listener.[::1]:80."), "listener.[__1]_80.");
        assert_eq!(sanitize("http.unix://x:/y:z\0w"), "http.unix_x_y_z_w.");
    }

    #[test]
    fn dots_are_taken_off_the_ends_and_one_is_put_back() {
        assert_eq!(sanitize(".a.b."), "a.b.");
        assert_eq!(sanitize("a.."), "a.");
        assert_eq!(sanitize("cluster...."), "cluster.");
        assert_eq!(sanitize("..a"), ".a.");
        assert_eq!(sanitize(""), "");
    }
}
