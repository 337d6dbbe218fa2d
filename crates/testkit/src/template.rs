//! `{{name}}` placeholders in configs and scripts.

use std::fmt;

/// A placeholder that nothing fills.
#[derive(Debug, PartialEq, Eq)]
pub struct UnknownPlaceholder(pub String);

impl fmt::Display for UnknownPlaceholder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "nothing fills the placeholder {{{{{}}}}}",
            self.0
        )
    }
}

impl std::error::Error for UnknownPlaceholder {}

/// Replaces each `{{name}}` by what `lookup` gives for `name`.
///
/// # Errors
/// If `lookup` gives nothing for one of them.
pub fn fill(
    text: &str,
    mut lookup: impl FnMut(&str) -> Option<String>,
) -> Result<String, UnknownPlaceholder> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((name, tail)) = after.split_once("}}") else {
            break;
        };
        let value =
            lookup(name.trim()).ok_or_else(|| UnknownPlaceholder(name.trim().to_owned()))?;
        filled.push_str(before);
        filled.push_str(&value);
        rest = tail;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// Replaces each line that holds nothing but `{{slot:name}}` by the lines of that slot, indented
/// as the placeholder is. A slot that `lookup` does not know leaves no line.
pub fn fill_slots(text: &str, mut lookup: impl FnMut(&str) -> Option<String>) -> String {
    let mut filled = String::with_capacity(text.len());
    for line in text.lines() {
        let trimmed = line.trim_start();
        let slot = trimmed
            .strip_prefix("{{slot:")
            .and_then(|rest| rest.trim_end().strip_suffix("}}"));
        let Some(name) = slot else {
            filled.push_str(line);
            filled.push('\n');
            continue;
        };
        let indent = &line[..line.len() - trimmed.len()];
        for inner in lookup(name).unwrap_or_default().lines() {
            filled.push_str(indent);
            filled.push_str(inner);
            filled.push('\n');
        }
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_and_unknown_ones_named() {
        let lookup = |name: &str| (name == "port:main").then(|| "12345".to_owned());
        assert_eq!(
            fill("a {{port:main}} b", lookup),
            Ok("a 12345 b".to_owned())
        );
        assert_eq!(
            fill("{{nope}}", lookup),
            Err(UnknownPlaceholder("nope".to_owned()))
        );
    }

    #[test]
    fn slots_take_the_placeholders_indent_and_vanish_when_empty() {
        let lookup = |name: &str| (name == "full").then(|| "- a\n- b".to_owned());
        assert_eq!(
            fill_slots("x:\n  {{slot:full}}\n  {{slot:empty}}\n", lookup),
            "x:\n  - a\n  - b\n"
        );
    }
}
