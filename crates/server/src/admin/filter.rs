//! Regular expressions in query parameters, of the same engine and syntax as those of configurations.

use nuncio_contract::matching::{CompiledRegex, RegexSearch};

/// Compiles `pattern` to be searched for; the error is one line, in RE2's words.
pub(super) fn compile(pattern: &str) -> Result<RegexSearch, String> {
    RegexSearch::new(pattern).map_err(|fault| fault.envoy)
}

/// Compiles `pattern` to match whole names only.
pub(super) fn compile_whole(pattern: &str) -> Result<CompiledRegex, String> {
    CompiledRegex::new(pattern).map_err(|fault| fault.envoy)
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
        assert_eq!(error("a{1001}"), "invalid repetition size: {1001}");
        assert!(!error("(a{999}){999}").contains('\n'));
    }

    #[test]
    fn a_part_of_a_name_is_enough_for_a_search() {
        let regex = compile("\\Q.b\\E").expect("RE2's syntax");
        assert!(regex.is_in(b"a.b.c") && !regex.is_in(b"axb"));
    }

    #[test]
    fn a_whole_match_takes_no_part_of_a_name() {
        let regex = compile_whole("a|b").expect("valid");
        assert!(regex.is_full_match(b"a") && !regex.is_full_match(b"ab"));
    }
}
