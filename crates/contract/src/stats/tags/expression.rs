//! Expressions that find a tag of one's own, in ECMAScript's syntax as `std::regex` has it.
//!
//! The first group is what is removed, the second, if there is one, the value. Matching goes back and forth:
//! an expression with nested repetitions can be slow on long names, as in Envoy.

use regress::Regex;

use super::pattern::Found;

/// A compiled expression.
#[derive(Clone, Debug)]
pub struct Expression {
    regex: Regex,
    /// The first token of all names that it can match, where the expression begins with one.
    pub(super) first_token: Option<String>,
}

impl Expression {
    /// Compiles, or says why it cannot.
    pub fn compile(pattern: &str) -> Result<Self, String> {
        let regex = Regex::new(&with_plain_classes(pattern)).map_err(|error| error.to_string())?;
        Ok(Self {
            regex,
            first_token: first_token(pattern).map(str::to_owned),
        })
    }

    /// What the first match finds; nothing if the expression has no group.
    pub(super) fn find(&self, name: &str) -> Option<Found> {
        let found = self.regex.find(name)?;
        let mut groups = found.groups().skip(1);
        let nothing = name.len()..name.len();
        let removed = groups.next()?.unwrap_or_else(|| nothing.clone());
        let value = match groups.next() {
            Some(second) => second.unwrap_or(nothing),
            None => removed.clone(),
        };
        Some(Found { value, removed })
    }
}

/// The token that an expression begins with: `^token\.`, `^token(?=\.)` or, all of it, `^token$`.
fn first_token(pattern: &str) -> Option<&str> {
    let inside = pattern.strip_prefix('^')?;
    let is_word = |char: char| char.is_ascii_alphanumeric() || char == '_';
    let end = inside.find(|char| !is_word(char))?;
    let (token, rest) = inside.split_at(end);
    let ends = rest.starts_with("\\.") || rest.starts_with("(?=\\.)") || rest == "$";
    (ends && !token.is_empty()).then_some(token)
}

/// Named classes within brackets, which `std::regex` has beyond ECMAScript, written out.
fn with_plain_classes(pattern: &str) -> String {
    const CLASSES: [(&str, &str); 15] = [
        ("[:alnum:]", "A-Za-z0-9"),
        ("[:alpha:]", "A-Za-z"),
        ("[:blank:]", " \\t"),
        ("[:cntrl:]", "\\x00-\\x1f\\x7f"),
        ("[:d:]", "0-9"),
        ("[:digit:]", "0-9"),
        ("[:graph:]", "!-~"),
        ("[:lower:]", "a-z"),
        ("[:print:]", " -~"),
        ("[:punct:]", "!-\\/:-@\\[-`{-~"),
        ("[:s:]", "\\s"),
        ("[:space:]", "\\s"),
        ("[:upper:]", "A-Z"),
        ("[:w:]", "\\w"),
        ("[:xdigit:]", "0-9A-Fa-f"),
    ];
    CLASSES
        .iter()
        .fold(pattern.to_owned(), |pattern, (class, plain)| {
            pattern.replace(class, plain)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pattern: &str, name: &str) -> Option<(String, String)> {
        let found = Expression::compile(pattern).unwrap().find(name)?;
        Some((name[found.value].to_owned(), name[found.removed].to_owned()))
    }

    #[test]
    fn the_second_group_is_the_value_and_the_first_is_removed() {
        let both = |value: &str, removed: &str| Some((value.to_owned(), removed.to_owned()));
        assert_eq!(
            found(r"^cluster\.((.+?)\.)", "cluster.a.b"),
            both("a", "a.")
        );
        assert_eq!(
            found(r"_rq(_\d{3})$", "x.upstream_rq_200"),
            both("_200", "_200")
        );
        assert_eq!(found(r"x(y)|z(w)", "zw"), both("w", ""));
        assert_eq!(found("cluster", "cluster.a"), None, "there is no group");
    }

    #[test]
    fn what_linear_engines_lack_is_there() {
        let agent = r"^http(?=\.).*?\.user_agent\.((.+?)\.)\w+?$";
        let name = "http.a.user_agent.ios.downstream_cx_total";
        assert_eq!(found(agent, name), Some(("ios".into(), "ios.".into())));
        assert_eq!(found(r"(a)\1", "xaa"), Some(("a".into(), "a".into())));
        assert_eq!(
            found("([[:alpha:]]+)9", "_ab9"),
            Some(("ab".into(), "ab".into()))
        );
    }

    #[test]
    fn an_expression_may_be_bound_to_a_first_token() {
        assert_eq!(first_token(r"^cluster\.(.*)"), Some("cluster"));
        assert_eq!(first_token(r"^http(?=\.).*"), Some("http"));
        assert_eq!(first_token("^a$"), Some("a"));
        assert_eq!(first_token("^a"), None);
        assert_eq!(first_token(r"^\.a"), None);
        assert_eq!(first_token(r"^(cluster)\."), None);
    }
}
