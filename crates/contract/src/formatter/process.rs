//! What the process knows of its surroundings, read once when a format is compiled.

/// At most so much of an environment variable; `-`, which is a value here and not the lack of one, if it is not set,
/// whatever the limit.
pub(super) fn environment(name: &str, most_bytes: Option<usize>) -> Box<[u8]> {
    use std::os::unix::ffi::OsStringExt;

    // A name with `=` or NUL in it can't be set.
    if name.contains(['=', '\0']) {
        return Box::from(*b"-");
    }
    let Some(value) = std::env::var_os(name) else {
        return Box::from(*b"-");
    };
    let mut value = value.into_vec();
    value.truncate(most_bytes.unwrap_or(usize::MAX));
    value.into()
}

/// The machine's host name; `-` if it has none.
pub(super) fn hostname() -> Box<[u8]> {
    let name = std::fs::read("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim_ascii();
    if name.is_empty() {
        Box::from(*b"-")
    } else {
        name.into()
    }
}
