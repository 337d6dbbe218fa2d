//! Words for people about what matchers look at: quoted, cut to a readable length, without control characters.

const MOST_CHARACTERS: usize = 120;

/// `text` in backquotes; what is too long is cut, what would steer a terminal is replaced.
pub fn quoted(text: &[u8]) -> String {
    format!("`{}`", plain(text))
}

/// The same without the quotes.
pub fn plain(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let mut out: String = text
        .chars()
        .take(MOST_CHARACTERS)
        .map(|letter| {
            if letter.is_control() {
                '\u{fffd}'
            } else {
                letter
            }
        })
        .collect();
    if text.chars().nth(MOST_CHARACTERS).is_some() {
        out.push('\u{2026}');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn what_is_quoted_is_short_and_harmless() {
        assert_eq!(quoted(b"/a"), "`/a`");
        assert_eq!(quoted(b"\x1b[2J"), "`\u{fffd}[2J`");
        assert_eq!(quoted(&[b'a'; 500]).chars().count(), 123);
    }
}
