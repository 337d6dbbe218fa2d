//! What a plain YAML scalar means: yaml-cpp's conversions in the order that Envoy tries them.
//!
//! Null, then boolean (`y`, `yes`, `true`, `on` and their opposites in lower, UPPER or Capitalized
//! case), then a whole number (decimal, `0x` hexadecimal, `0` octal), else a string. Numbers beyond
//! 32 bits and fractions are strings; a numeric field reads them from the string.

use super::Kind;

/// Types a plain scalar.
pub(super) fn plain(text: &str) -> Kind {
    if matches!(text, "" | "~" | "null" | "Null" | "NULL") {
        return Kind::Null;
    }
    tagged(text)
}

/// Types a scalar that a tag keeps from being null.
pub(super) fn tagged(text: &str) -> Kind {
    if let Some(value) = boolean(text) {
        return Kind::Bool(value);
    }
    match integer(text) {
        Some(value) if i32::try_from(value).is_ok() => Kind::Int(value),
        Some(value) => Kind::Str(value.to_string().into()),
        None => Kind::Str(text.into()),
    }
}

fn boolean(text: &str) -> Option<bool> {
    if text.len() > 5 || !is_flexible_case(text.as_bytes()) {
        return None;
    }
    let is = |word: &str| text.eq_ignore_ascii_case(word);
    if is("true") || is("yes") || is("on") || is("y") {
        Some(true)
    } else if is("false") || is("no") || is("off") || is("n") {
        Some(false)
    } else {
        None
    }
}

fn is_flexible_case(text: &[u8]) -> bool {
    let Some((first, rest)) = text.split_first() else {
        return false;
    };
    let lower = rest.iter().all(u8::is_ascii_lowercase);
    let upper = rest.iter().all(u8::is_ascii_uppercase);
    (first.is_ascii_lowercase() && lower) || (first.is_ascii_uppercase() && (lower || upper))
}

/// A whole number as C++ streams read one with no base set.
fn integer(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        b'0'..=b'9' => (false, text),
        _ => return None,
    };
    if !digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let magnitude = if let Some(hex) = digits.strip_prefix("0x").or(digits.strip_prefix("0X")) {
        u64::from_str_radix(hex, 16)
    } else if digits.len() > 1 && digits.starts_with('0') {
        u64::from_str_radix(digits, 8)
    } else {
        digits.parse()
    };
    let magnitude = i128::from(magnitude.ok()?);
    i64::try_from(if negative { -magnitude } else { magnitude }).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        format!("{:?}", plain(text))
    }

    #[test]
    fn yaml_1_1_booleans_in_three_cases() {
        for text in [
            "y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "true", "True", "TRUE",
        ] {
            assert_eq!(shown(text), "Bool(true)", "{text}");
        }
        for text in ["n", "no", "No", "off", "OFF", "false", "False"] {
            assert_eq!(shown(text), "Bool(false)", "{text}");
        }
        for text in ["yEs", "tRUE", "oN", "truely"] {
            assert!(shown(text).starts_with("Str"), "{text}");
        }
    }

    #[test]
    fn whole_numbers_in_three_bases() {
        assert_eq!(shown("12"), "Int(12)");
        assert_eq!(shown("+12"), "Int(12)");
        assert_eq!(shown("-0x1F"), "Int(-31)");
        assert_eq!(shown("010"), "Int(8)");
        assert_eq!(shown("0"), "Int(0)");
    }

    #[test]
    fn what_is_not_a_32_bit_number_is_a_string() {
        assert_eq!(shown("08"), "Str(\"08\")");
        assert_eq!(shown("0o14"), "Str(\"0o14\")");
        assert_eq!(shown("1.5"), "Str(\"1.5\")");
        assert_eq!(shown("1_000"), "Str(\"1_000\")");
        assert_eq!(shown("0x100000000"), "Str(\"4294967296\")");
        assert_eq!(
            shown("99999999999999999999"),
            "Str(\"99999999999999999999\")"
        );
        assert_eq!(shown("-"), "Str(\"-\")");
        assert_eq!(shown("0x"), "Str(\"0x\")");
    }

    #[test]
    fn nulls_have_four_spellings() {
        for text in ["", "~", "null", "Null", "NULL"] {
            assert_eq!(shown(text), "Null");
        }
        assert!(shown("nULL").starts_with("Str"));
    }
}
