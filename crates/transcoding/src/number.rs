//! Numbers as C's `%g` writes them: with 15 digits if that is the number, else with 17; floats with 6 or 9.

/// A double.
pub(crate) fn double(value: f64) -> String {
    shortest(value, [15, 17], |text| text.parse() == Ok(value))
}

/// A float.
pub(crate) fn float(value: f32) -> String {
    shortest(value.into(), [6, 9], |text| text.parse() == Ok(value))
}

fn shortest(value: f64, [few, many]: [usize; 2], is_same: impl Fn(&str) -> bool) -> String {
    let text = general(value, few);
    match is_same(&text) {
        true => text,
        false => general(value, many),
    }
}

/// `%.<digits>g`.
fn general(value: f64, digits: usize) -> String {
    if value == 0.0 {
        return if value.is_sign_negative() { "-0" } else { "0" }.to_owned();
    }
    let scientific = format!("{value:.*e}", digits - 1);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let most = i32::try_from(digits).unwrap_or(i32::MAX);
    if exponent < -4 || exponent >= most {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", trimmed(mantissa), exponent.abs());
    }
    let places = usize::try_from(most - 1 - exponent).unwrap_or(0);
    trimmed(&format!("{value:.places$}")).to_owned()
}

fn trimmed(text: &str) -> &str {
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => text,
    }
}
