//! Numbers as text: plain decimal for text logs, and the shortest form for JSON.

use std::io::Write;

/// Appends `number` in decimal.
pub(super) fn append_u64(mut number: u64, out: &mut Vec<u8>) {
    if number < 10 {
        out.push(b'0' + number as u8);
        return;
    }
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends `number` as a JSON number the way Envoy does, which goes by way of a double: `1000000` is `1e+06`.
pub(super) fn append_json_u64(number: u64, out: &mut Vec<u8>) {
    const EXACT: u64 = 1 << 53;
    // With at most two zeros at the end the plain form is the shortest.
    if number == 0 || number < EXACT && !number.is_multiple_of(1000) {
        append_u64(number, out);
    } else {
        append_json_f64(number as f64, out);
    }
}

/// Appends `number` as JSON: the shortest digits that give the same double back, with an exponent where that
/// is shorter (C++'s `std::to_chars`); `null` for what is not a number.
pub(super) fn append_json_f64(number: f64, out: &mut Vec<u8>) {
    if number.is_nan() {
        out.extend_from_slice(b"null");
        return;
    }
    if number.is_infinite() {
        out.extend_from_slice(if number > 0.0 { b"inf" } else { b"-inf" });
        return;
    }
    // The longest shortest form is `-d.ddddddddddddddddde-308`, 24 bytes.
    let mut scratch = [0u8; 32];
    let mut cursor = &mut scratch[..];
    // A write into a slice that is long enough does not fail.
    let _ = write!(cursor, "{number:e}");
    let left = cursor.len();
    let text = &scratch[..scratch.len() - left];
    let Some(e) = text.iter().position(|byte| *byte == b'e') else {
        return;
    };
    let (mantissa, exponent) = (&text[..e], parse_exponent(&text[e + 1..]));
    let digits = mantissa.iter().filter(|byte| byte.is_ascii_digit()).count() as i32;
    // The value is digits * 10^last, as an integer.
    let last = exponent - (digits - 1);
    let (lower, upper) = if digits == 1 {
        (-3, 4)
    } else {
        (-(digits + 3), 5)
    };
    if (lower..=upper).contains(&last) || number == 0.0 {
        append_fixed(number, last, out);
    } else {
        out.extend_from_slice(mantissa);
        out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
        if exponent.unsigned_abs() < 10 {
            out.push(b'0');
        }
        append_u64(u64::from(exponent.unsigned_abs()), out);
    }
}

fn append_fixed(number: f64, last: i32, out: &mut Vec<u8>) {
    let decimals = usize::try_from(-last).unwrap_or(0);
    // A write into a Vec does not fail.
    let _ = write!(out, "{number:.decimals$}");
}

fn parse_exponent(text: &[u8]) -> i32 {
    std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(number: f64) -> String {
        let mut out = Vec::new();
        append_json_f64(number, &mut out);
        String::from_utf8(out).expect("a number is ASCII")
    }

    fn json_u64(number: u64) -> String {
        let mut out = Vec::new();
        append_json_u64(number, &mut out);
        String::from_utf8(out).expect("a number is ASCII")
    }

    #[test]
    fn json_numbers_are_as_short_as_envoys() {
        for (number, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (1.5, "1.5"),
            (0.1, "0.1"),
            (0.001, "0.001"),
            (0.0001, "1e-04"),
            (0.0001234, "0.0001234"),
            (10_000.0, "10000"),
            (100_000.0, "1e+05"),
            (1_000_000.0, "1e+06"),
            (1_200_000.0, "1200000"),
            (12_000_000.0, "1.2e+07"),
            (123_456_789_012_345_680_000.0, "123456789012345683968"),
            (1e300, "1e+300"),
            (-2.5e-10, "-2.5e-10"),
        ] {
            assert_eq!(json(number), text);
        }
        assert_eq!(json(f64::NAN), "null");
    }

    #[test]
    fn whole_numbers_take_the_same_form_by_the_short_way() {
        let mut number = 1u64;
        for step in 0..2000u64 {
            assert_eq!(json_u64(number), json(number as f64), "{number}");
            number = number.wrapping_mul(7).wrapping_add(step) % (1 << (step % 60 + 1));
        }
        for power in 0..19 {
            let number = 10u64.pow(power);
            assert_eq!(json_u64(number), json(number as f64));
            assert_eq!(json_u64(number * 3 / 2), json((number * 3 / 2) as f64));
        }
    }
}
