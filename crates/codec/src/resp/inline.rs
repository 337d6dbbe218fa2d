//! Commands as lines: words between blanks, in quotes if they have blanks themselves, as Redis reads them.

use super::ProtocolError;

/// The words of a line without its end.
///
/// # Errors
/// A quote is not closed, or something stands right behind one.
pub(super) fn words(line: &[u8]) -> Result<Vec<Vec<u8>>, ProtocolError> {
    let mut words = Vec::new();
    let mut rest = line;
    loop {
        rest = rest.trim_ascii_start();
        if rest.is_empty() {
            return Ok(words);
        }
        let (word, behind) = next_word(rest)?;
        words.push(word);
        rest = behind;
    }
}

fn next_word(mut rest: &[u8]) -> Result<(Vec<u8>, &[u8]), ProtocolError> {
    let mut word = Vec::new();
    while let Some((&first, behind)) = rest.split_first() {
        match first {
            b'"' | b'\'' => {
                rest = quoted(first, behind, &mut word)?;
                if rest.first().is_some_and(|next| !next.is_ascii_whitespace()) {
                    return Err(ProtocolError);
                }
                break;
            }
            blank if blank.is_ascii_whitespace() => break,
            byte => {
                word.push(byte);
                rest = behind;
            }
        }
    }
    Ok((word, rest))
}

/// Takes what is in quotes; what stands behind them.
fn quoted<'l>(
    quote: u8,
    mut rest: &'l [u8],
    word: &mut Vec<u8>,
) -> Result<&'l [u8], ProtocolError> {
    loop {
        let (&first, behind) = rest.split_first().ok_or(ProtocolError)?;
        rest = behind;
        if first == quote {
            return Ok(rest);
        }
        match (quote, first, rest) {
            (b'\'', b'\\', [b'\'', behind @ ..]) => {
                word.push(b'\'');
                rest = behind;
            }
            (b'"', b'\\', [b'x', high, low, behind @ ..]) if is_hex(*high) && is_hex(*low) => {
                word.push(hex(*high) << 4 | hex(*low));
                rest = behind;
            }
            (b'"', b'\\', [escaped, behind @ ..]) => {
                word.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'a' => 7,
                    other => *other,
                });
                rest = behind;
            }
            _ => word.push(first),
        }
    }
}

fn is_hex(byte: u8) -> bool {
    byte.is_ascii_hexdigit()
}

fn hex(byte: u8) -> u8 {
    let digit = char::from(byte).to_digit(16);
    digit
        .and_then(|digit| u8::try_from(digit).ok())
        .unwrap_or(0)
}
