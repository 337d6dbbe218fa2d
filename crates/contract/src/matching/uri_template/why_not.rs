//! Why a path is not as a template wants it; only for people who ask.

use super::UriTemplate;
use super::pattern::{Pattern, is_character};
use crate::matching::{CompiledRegex, quoted};

impl UriTemplate {
    /// What is wanted.
    pub fn requirement(&self) -> String {
        format!("uri template {}", quoted(self.text.as_bytes()))
    }

    /// How far `path`, which does not match, comes.
    pub fn why_not(&self, path: &[u8]) -> String {
        let (what, given) = (self.requirement(), quoted(path));
        let reason = self.reason(path);
        format!("{what} does not match {given}: {reason}")
    }

    fn reason(&self, path: &[u8]) -> String {
        if self.regex.is_none() {
            return "nothing does, as a `*` inside of a literal cannot be repeated".to_owned();
        }
        let is_foreign = |byte: &&u8| **byte != b'/' && !is_character(**byte);
        if let Some(byte) = path.iter().find(is_foreign) {
            return format!(
                "neither literals nor wildcards stand for {}",
                quoted(&[*byte])
            );
        }
        let Ok(pattern) = Pattern::parse(&self.text) else {
            return "it is not as written".to_owned();
        };
        let holds = |count: usize, tail: &str| {
            let regex = pattern.regex_of_first(count) + tail;
            CompiledRegex::new(&regex).is_ok_and(|regex| regex.is_full_match(path))
        };
        let count = pattern.segments.len();
        let reached = (1..=count)
            .rev()
            .find(|reached| holds(*reached, "(?:/.*)?"))
            .unwrap_or(0);
        let Some(next) = pattern.segments.get(reached) else {
            return "the path goes on where the template ends".to_owned();
        };
        let name = match next.text {
            "" => "its last `/`".to_owned(),
            text => format!("its {}", quoted(text.as_bytes())),
        };
        if path == b"/" || (reached > 0 && holds(reached, "")) {
            format!("the path ends before {name}")
        } else {
            format!("{name} does not match there")
        }
    }
}
