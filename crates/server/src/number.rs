//! Numbers as Envoy prints them: it uses three ways for doubles, and they differ.

/// As C++'s `fmt` with `{}`: the shortest digits that read back the same; an exponent below 1e-4 and from 1e16 on.
pub(crate) fn shortest(value: f64) -> String {
    if !value.is_finite() {
        return special(value);
    }
    let (digits, exponent) = digits_of(&format!("{:e}", value.abs()));
    let text = if (-4..16).contains(&exponent) {
        fixed(&digits, exponent)
    } else {
        scientific(&digits, exponent)
    };
    signed(value, text)
}

/// As `std::to_chars` in Envoy's streamed JSON: the shortest text, fixed if both are as long; `null` if not
/// a number.
pub(crate) fn json(value: f64) -> String {
    if !value.is_finite() {
        return "null".to_owned();
    }
    let (digits, exponent) = digits_of(&format!("{:e}", value.abs()));
    let (fixed, scientific) = (fixed(&digits, exponent), scientific(&digits, exponent));
    signed(
        value,
        if fixed.len() <= scientific.len() {
            fixed
        } else {
            scientific
        },
    )
}

/// As C's `%.<precision>g`.
pub(crate) fn general(value: f64, precision: usize) -> String {
    if !value.is_finite() {
        return special(value);
    }
    let (digits, exponent) =
        digits_of(&format!("{:.*e}", precision.saturating_sub(1), value.abs()));
    let limit = i32::try_from(precision).unwrap_or(i32::MAX);
    let text = if (-4..limit).contains(&exponent) {
        fixed(&digits, exponent)
    } else {
        scientific(&digits, exponent)
    };
    signed(value, text)
}

/// Appends `value` in decimal.
pub(crate) fn push_u64(text: &mut String, value: u64) {
    if value < 10 {
        text.extend(
            u32::try_from(value)
                .ok()
                .and_then(|digit| char::from_digit(digit, 10)),
        );
        return;
    }
    // Writing to a string cannot fail.
    let _ = std::fmt::Write::write_fmt(text, format_args!("{value}"));
}

fn special(value: f64) -> String {
    let text = if value.is_nan() { "nan" } else { "inf" };
    signed(value, text.to_owned())
}

fn signed(value: f64, text: String) -> String {
    if value.is_sign_negative() && !value.is_nan() {
        format!("-{text}")
    } else {
        text
    }
}

/// The significant digits without trailing zeros, and the decimal exponent, of Rust's `1.25e3`.
fn digits_of(text: &str) -> (String, i32) {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let trimmed = digits.trim_end_matches('0');
    let digits = if trimmed.is_empty() { "0" } else { trimmed };
    (digits.to_owned(), exponent.parse().unwrap_or(0))
}

fn fixed(digits: &str, exponent: i32) -> String {
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    if exponent < 0 {
        let zeros = usize::try_from(-exponent - 1).unwrap_or(0);
        return format!("0.{}{digits}", "0".repeat(zeros));
    }
    match usize::try_from(exponent + 1 - count) {
        Ok(zeros) => format!("{digits}{}", "0".repeat(zeros)),
        Err(_) => {
            let (whole, part) = digits.split_at(usize::try_from(exponent + 1).unwrap_or(0));
            format!("{whole}.{part}")
        }
    }
}

fn scientific(digits: &str, exponent: i32) -> String {
    let (first, rest) = digits.split_at(1);
    let point = if rest.is_empty() { "" } else { "." };
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{first}{point}{rest}e{sign}{:02}", exponent.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_printed_with_their_shortest_digits() {
        let values = [
            0.0,
            1.05,
            1.011111111111111,
            43.5,
            1e15,
            1e16,
            0.0001,
            0.00001,
            f64::NAN,
            -1.0,
        ];
        let texts = [
            "0",
            "1.05",
            "1.011111111111111",
            "43.5",
            "1000000000000000",
            "1e+16",
            "0.0001",
            "1e-05",
            "nan",
            "-1",
        ];
        assert_eq!(values.map(shortest), texts);
    }

    #[test]
    fn streamed_json_takes_the_shorter_of_two_forms() {
        let values = [
            0.5,
            60_000.0,
            300_000.0,
            600_000.0,
            1_800_000.0,
            3_600_000.0,
            99.5,
            f64::NAN,
        ];
        let texts = [
            "0.5", "60000", "3e+05", "6e+05", "1800000", "3600000", "99.5", "null",
        ];
        assert_eq!(values.map(json), texts);
    }

    #[test]
    fn general_form_rounds_to_significant_digits() {
        let six =
            [1_800_000.0, 3_600_000.0, 600_000.0, 0.5, 99.5, 2500.0].map(|value| general(value, 6));
        assert_eq!(six, ["1.8e+06", "3.6e+06", "600000", "0.5", "99.5", "2500"]);
        assert_eq!(general(1.1 * 100.0, 15), "110");
        let sum = 1.0 + 0.1 / 2.1 + (41.0 + 41.0 / 83.0) + (43.0 + 43.0 / 87.0);
        assert_eq!(general(sum, 32), "86.035847824796718441575649194419");
        assert_eq!(general(0.0, 32), "0");
    }
}
