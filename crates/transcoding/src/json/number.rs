//! Numbers.

use super::Scalar;

const UNABLE: &str = "Unable to parse number.";
const TOO_LARGE: &str = "Number exceeds the range of double.";
const OCTAL: &str = "Octal/hex numbers are not valid JSON values.";

/// How long the number at the beginning is, and whether it has a fraction or an exponent.
pub(super) fn extent(bytes: &[u8]) -> (usize, bool) {
    let belongs = |byte: &u8| byte.is_ascii_digit() || b".eE+-x".contains(byte);
    let length = bytes.iter().position(|byte| !belongs(byte));
    let length = length.unwrap_or(bytes.len());
    let number = bytes.get(..length).unwrap_or_default();
    (length, number.iter().any(|byte| b".eE".contains(byte)))
}

/// The value of a number.
pub(super) fn value(number: &[u8], is_floating: bool) -> Result<Scalar<'static>, &'static str> {
    let text = str::from_utf8(number).map_err(|_| UNABLE)?;
    if is_floating {
        return double(text);
    }
    match text.strip_prefix('-') {
        Some(digits) if digits.len() >= 2 && digits.starts_with('0') => Err(OCTAL),
        None if text.len() >= 2 && text.starts_with('0') => Err(OCTAL),
        Some(_) => text.parse().map(Scalar::Int).or_else(|_| double(text)),
        None => text.parse().map(Scalar::Uint).or_else(|_| double(text)),
    }
}

fn double(text: &str) -> Result<Scalar<'static>, &'static str> {
    let number: f64 = text.parse().map_err(|_| UNABLE)?;
    match number.is_finite() {
        true => Ok(Scalar::Double(number)),
        false => Err(TOO_LARGE),
    }
}
