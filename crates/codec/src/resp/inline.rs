//! Commands as lines: words between blanks, in quotes if they have blanks themselves, as Envoy reads
//! them: a word is in quotes as a whole; within one `'` is a letter, and `"` a mistake.

use super::ProtocolError;

/// The words of a line without its end.
///
/// # Errors
/// A quote is not closed, or something stands right behind one, or before one that is `"`.
pub(super) fn words(line: &[u8]) -> Result<Vec<Vec<u8>>, ProtocolError> {
    let mut words = Vec::new();
    let mut rest = line;
    loop {
        let blanks = rest.iter().take_while(|byte| is_blank(**byte)).count();
        rest = rest.get(blanks..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(words);
        }
        let (word, behind) = next_word(rest)?;
        words.push(word);
        rest = behind;
    }
}

fn next_word(rest: &[u8]) -> Result<(Vec<u8>, &[u8]), ProtocolError> {
    let mut word = Vec::new();
    if let Some((quote @ (b'"' | b'\''), behind)) = rest.split_first() {
        let behind = quoted(*quote, behind, &mut word)?;
        return match behind.first().is_some_and(|next| !is_blank(*next)) {
            true => Err(ProtocolError),
            false => Ok((word, behind)),
        };
    }
    let end = rest.iter().position(|byte| is_blank(*byte));
    let (plain, behind) = rest.split_at(end.unwrap_or(rest.len()));
    match plain.contains(&b'"') {
        true => Err(ProtocolError),
        false => Ok((plain.to_vec(), behind)),
    }
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

/// What stands between words.
pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b'\t'..=b'\r' | b' ')
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
