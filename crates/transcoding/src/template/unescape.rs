//! Percent-encoding of segments and of queries.

/// Which characters are decoded where a variable has several segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unescape {
    /// All but those that RFC 6570 reserves.
    #[default]
    AllButReserved,
    /// All but the slash.
    AllButSlash,
    /// All.
    All,
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16)?.try_into().ok()
}

/// Decodes what `keeps` does not want as it is.
fn decode(text: &[u8], keeps: impl Fn(u8) -> bool, plus_is_blank: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, behind @ ..] = rest {
        rest = behind;
        match (first, behind) {
            (b'%', [high, low, after @ ..]) => match (hex(*high), hex(*low)) {
                (Some(upper), Some(lower)) if !keeps(upper << 4 | lower) => {
                    out.push(upper << 4 | lower);
                    rest = after;
                }
                _ => out.push(b'%'),
            },
            (b'+', _) if plus_is_blank => out.push(b' '),
            _ => out.push(*first),
        }
    }
    out
}

impl Unescape {
    /// A variable's text. One of a single segment is decoded whole.
    pub(super) fn apply(self, text: &[u8], is_one_segment: bool) -> Vec<u8> {
        let keeps = |byte: u8| match self {
            _ if is_one_segment => false,
            Unescape::All => false,
            Unescape::AllButSlash => byte == b'/',
            Unescape::AllButReserved => b"!#$&'()*+,/:;=?@[]".contains(&byte),
        };
        decode(text, keeps, false)
    }
}

/// The text of a query's parameter.
pub fn query(text: &[u8], plus_is_blank: bool) -> Vec<u8> {
    decode(text, |_| false, plus_is_blank)
}
