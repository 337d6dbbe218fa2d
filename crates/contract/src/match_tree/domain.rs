//! What follows by domain (`xds.type.matcher.v3.ServerNameMatcher`): the whole name first, then `*.suffix` with the
//! longest suffix, then `*`. Case counts, as in Envoy.

use hashbrown::HashMap;
use nuncio_config::typed::{Ctx, Refused, Spanned};

/// Values by domain.
#[derive(Debug)]
pub(super) struct Domains<T> {
    values: Box<[T]>,
    exact: HashMap<Box<[u8]>, usize>,
    /// Without `*.`.
    suffixes: HashMap<Box<[u8]>, usize>,
    all: Option<usize>,
}

impl<T> Domains<T> {
    pub(super) fn new(values: Vec<T>) -> Self {
        Domains {
            values: values.into(),
            exact: HashMap::new(),
            suffixes: HashMap::new(),
            all: None,
        }
    }

    /// Adds a domain of the value at that place; what is wrong with it is said in Envoy's words.
    pub(super) fn add(
        &mut self,
        domain: &Spanned<String>,
        value: usize,
        ctx: &mut Ctx,
    ) -> Result<(), Refused> {
        let text = &domain.value;
        let before = match (&**text, text.strip_prefix("*.")) {
            ("*", _) => self.all.replace(value),
            (_, Some(suffix)) => self.suffixes.insert(suffix.as_bytes().into(), value),
            (_, None) => self.exact.insert(text.as_bytes().into(), value),
        };
        let fault = match before {
            Some(_) => Some(format!("Duplicate domain in ServerNameMatcher: {text}")),
            None => fault(text),
        };
        match fault {
            None => Ok(()),
            Some(fault) => {
                ctx.error(domain.span, fault);
                Err(Refused)
            }
        }
    }

    /// The values of the domains that `name` has, in the order in which they count.
    pub(super) fn of<'t>(&'t self, name: &[u8]) -> impl Iterator<Item = &'t T> + use<'t, T> {
        let mut found: Vec<usize> = Vec::new();
        if !name.is_empty() {
            found.extend(self.exact.get(name));
            for dot in memchr::memchr_iter(b'.', name) {
                let suffix = name.get(dot + 1..).unwrap_or_default();
                found.extend(self.suffixes.get(suffix));
            }
            found.extend(self.all.as_ref());
        }
        found.into_iter().filter_map(|place| self.values.get(place))
    }
}

fn fault(domain: &str) -> Option<String> {
    if domain == "*" {
        return None;
    }
    if domain.is_empty() {
        return Some("Empty domain in ServerNameMatcher".to_owned());
    }
    let wildcard = domain.find('*')?;
    let is_suffix = domain
        .strip_prefix("*.")
        .is_some_and(|rest| !rest.is_empty());
    let wrong = match (wildcard, is_suffix) {
        (0, true) if !domain.get(1..)?.contains('*') => return None,
        (0, true) => "Multiple wildcards are not supported",
        _ => "Only '*' and '*.domain' patterns are supported",
    };
    Some(format!("Invalid wildcard domain format: {domain}. {wrong}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_whole_or_a_suffix_behind_a_star() {
        for sound in ["*", "a", "a.b", "*.a", "*.a.b"] {
            assert_eq!(fault(sound), None, "{sound}");
        }
        let only = "Only '*' and '*.domain' patterns are supported";
        for wrong in ["*a", "a.*", "*.", "a*b"] {
            let text = format!("Invalid wildcard domain format: {wrong}. {only}");
            assert_eq!(fault(wrong), Some(text));
        }
        let several = fault("*.a.*").expect("two stars are refused");
        assert!(several.ends_with("Multiple wildcards are not supported"));
        assert_eq!(
            fault("").as_deref(),
            Some("Empty domain in ServerNameMatcher")
        );
    }
}
