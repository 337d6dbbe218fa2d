//! Small files of the system: a text, a number. At most 64 KiB are read.

use std::io::Read as _;
use std::path::Path;

const MOST_BYTES: u64 = 64 << 10;

/// The text of a file.
pub(super) fn text(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MOST_BYTES).read_to_string(&mut text))
        .map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(text)
}

/// The number that a file consists of.
pub(super) fn number(path: &Path) -> Result<u64, String> {
    let text = text(path)?;
    let number = text.trim_ascii().parse();
    number.map_err(|_| format!("{}: no number: {}", path.display(), text.trim_ascii()))
}
