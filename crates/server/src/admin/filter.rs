//! Regular expressions in query parameters. The engine has RE2's syntax and runs in linear time.
//!
//! Limit: a compiled pattern of 1 MiB.

use regex::{Regex, RegexBuilder};

const PROGRAM_LIMIT_BYTES: usize = 1 << 20;

/// Compiles `pattern`; the error is one line, in RE2's words where they are known.
pub(super) fn compile(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern)
        .size_limit(PROGRAM_LIMIT_BYTES)
        .build()
        .map_err(|error| {
            let text = error.to_string();
            let reason = text
                .lines()
                .last()
                .unwrap_or_default()
                .trim_start_matches("error: ")
                .to_owned();
            match reason.as_str() {
                "unclosed group" => format!("missing ): {pattern}"),
                "unopened group" => format!("unexpected ): {pattern}"),
                "unclosed character class" => {
                    format!(
                        "missing ]: {}",
                        pattern
                            .find('[')
                            .and_then(|at| pattern.get(at..))
                            .unwrap_or(pattern)
                    )
                }
                "repetition operator missing expression" => {
                    let operator =
                        pattern.trim_start_matches(|char| !matches!(char, '*' | '+' | '?'));
                    format!(
                        "no argument for repetition operator: {}",
                        operator.get(..1).unwrap_or_default()
                    )
                }
                _ => reason,
            }
        })
}

/// Compiles `pattern` to match whole names only.
pub(super) fn compile_whole(pattern: &str) -> Result<Regex, String> {
    compile(pattern)?;
    compile(&format!("^(?:{pattern})$"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_told_in_one_line() {
        let error = |pattern| compile(pattern).err().unwrap_or_default();
        assert_eq!(error("("), "missing ): (");
        assert_eq!(error("a[b"), "missing ]: [b");
        assert_eq!(error("*"), "no argument for repetition operator: *");
        assert!(!error("a{99999}{99999}").contains('\n'));
    }

    #[test]
    fn a_whole_match_takes_no_part_of_a_name() {
        let regex = compile_whole("a|b").expect("valid");
        assert!(regex.is_match("a") && !regex.is_match("ab"));
    }
}
