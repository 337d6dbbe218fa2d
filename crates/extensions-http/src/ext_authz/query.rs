//! Query parameters that the service sets or takes away. As in Envoy they come out sorted by their names.
//!
//! Differs from Envoy: spaces and controls in what the service sets are escaped, as they would end the path.

use std::collections::BTreeMap;

use super::verdict::is_space_or_control;

/// Whether a parameter has what would end the line.
pub(super) fn breaks_line((key, value): &(String, String)) -> bool {
    let mut bytes = key.bytes().chain(value.bytes());
    bytes.any(|byte| matches!(byte, b'\r' | b'\n' | 0))
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for one in text.chars() {
        match u8::try_from(one) {
            Ok(byte) if is_space_or_control(byte) => out += &format!("%{byte:02X}"),
            _ => out.push(one),
        }
    }
    out
}

/// The path with these parameters set and those removed.
pub(super) fn changed(path: &str, set: &[(String, String)], removed: &[String]) -> String {
    let (before, query) = path.split_once('?').unwrap_or((path, ""));
    let set: Vec<_> = set
        .iter()
        .map(|(key, value)| (escaped(key), escaped(value)))
        .collect();
    let mut parameters: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        parameters.entry(key).or_default().push(value);
    }
    for (key, value) in &set {
        parameters.insert(key, vec![value]);
    }
    for key in removed {
        parameters.remove(&**key);
    }
    let mut out = before.to_owned();
    let mut delimiter = '?';
    for (key, values) in parameters {
        for value in values {
            out.push(std::mem::replace(&mut delimiter, '&'));
            out.push_str(key);
            out.push('=');
            out.push_str(value);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::changed;

    #[test]
    fn parameters_are_set_and_removed() {
        let set = |key: &str, value: &str| vec![(key.to_owned(), value.to_owned())];
        assert_eq!(
            changed("/p?b=1&a=2&b=3", &set("c", "4"), &[]),
            "/p?a=2&b=1&b=3&c=4"
        );
        assert_eq!(changed("/p?b=1&b=3", &set("b", "4"), &[]), "/p?b=4");
        assert_eq!(changed("/p?b=1", &[], &["b".to_owned()]), "/p");
        assert_eq!(changed("/p", &set("b", "4"), &[]), "/p?b=4");
        assert_eq!(changed("/p", &set("b", "a b\t"), &[]), "/p?b=a%20b%09");
    }
}
