//! What the process knows of its surroundings, read once when a format is compiled.

/// An environment variable; `-`, which is a value here and not the lack of one, if it is not set.
pub(super) fn environment(name: &str) -> Box<[u8]> {
    use std::os::unix::ffi::OsStringExt;

    // A name with `=` or NUL in it can't be set.
    if name.contains(['=', '\0']) {
        return Box::from(*b"-");
    }
    std::env::var_os(name).map_or(Box::from(*b"-"), |value| value.into_vec().into())
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
