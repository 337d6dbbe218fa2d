//! Names of resources that say who has them and of what kind they are (`xdstp://authority/kind/path?context`).
//!
//! Names are compared as they are written anew: escaped in one way, with their context sorted. A path whose last part
//! is `*` names the collection of all that stand beside it in the same context. Parts are bytes, since what is escaped
//! may be anything.
//!
//! What comes behind a `#` of a locator is checked, and not supported.

use std::borrow::Cow;
use std::collections::BTreeMap;

const SCHEME: &str = "xdstp:";
const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// A name, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResourceName {
    authority: Vec<u8>,
    kind: String,
    path: Vec<u8>,
    context: Context,
}

/// What else is said of a resource.
pub(crate) type Context = BTreeMap<Vec<u8>, Vec<u8>>;

impl ResourceName {
    /// Takes a name apart.
    ///
    /// # Errors
    /// If it is none, in Envoy's words.
    pub(crate) fn parse(name: &str) -> Result<Self, String> {
        if !is_such(name) {
            return Err(format!("{name} does not have an xdstp: scheme"));
        }
        let (authority, rest) = after_scheme(name);
        let (path, query) = match rest.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (rest, None),
        };
        let (kind, path) = path.split_once('/').unwrap_or((path, ""));
        if kind.is_empty() {
            return Err(format!("Resource type missing from /{path}"));
        }
        let mut context = Context::new();
        for pair in query.into_iter().flat_map(|query| query.split('&')) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            context.entry(unescaped(key)).or_insert(unescaped(value));
        }
        Ok(ResourceName {
            authority: unescaped(authority),
            kind: kind.to_owned(),
            path: unescaped(path),
            context,
        })
    }

    /// Takes the locator of a collection of resources of a kind apart.
    ///
    /// # Errors
    /// If it is none, in Envoy's words.
    pub(crate) fn parse_locator(locator: &str, kind: &str) -> Result<Self, String> {
        let directives = locator.split_once('#').map(|(_, directives)| directives);
        for directive in directives.into_iter().flat_map(|all| all.split(',')) {
            if !directive.starts_with("alt=") && !directive.starts_with("entry=") {
                return Err(format!("Unknown fragment component {directive}"));
            }
        }
        if locator.starts_with("http:") {
            return Err("Unsupported code path".to_owned());
        }
        if !is_such(locator) {
            return Err(format!(
                "{locator} does not have a xdstp:, http: or file: scheme"
            ));
        }
        let found = Self::parse(locator)?;
        match found.kind == kind {
            true => Ok(found),
            false => Err(format!("xdstp:// type does not match {kind} in {locator}")),
        }
    }

    /// With what is said of whoever asks, unless the name says it otherwise.
    pub(crate) fn with_context(mut self, context: &Context) -> Self {
        for (key, value) in context {
            let own = self.context.entry(key.clone());
            own.or_insert_with(|| value.clone());
        }
        self
    }

    /// The collection that it is a member of.
    fn into_collection(mut self) -> Self {
        let directory = self.path.iter().rposition(|byte| *byte == b'/');
        self.path.truncate(directory.map_or(0, |at| at + 1));
        self.path.push(b'*');
        self
    }

    /// As it is told to servers and compared.
    pub(crate) fn text(&self) -> String {
        let mut text = String::from("xdstp://");
        escape(&self.authority, b"%/?#", &mut text);
        text.push('/');
        text.push_str(&self.kind);
        if !self.path.is_empty() {
            text.push('/');
            escape(&self.path, b"%?#[]", &mut text);
        }
        let pair = |(key, value): (&Vec<u8>, &Vec<u8>)| {
            let mut pair = String::new();
            escape(key, b"%#[]&=", &mut pair);
            pair.push('=');
            escape(value, b"%#[]&=", &mut pair);
            pair
        };
        let mut pairs: Vec<String> = self.context.iter().map(pair).collect();
        pairs.sort_unstable();
        if !pairs.is_empty() {
            text.push('?');
            text.push_str(&pairs.join("&"));
        }
        text
    }
}

/// Whether it says itself who has it.
pub(crate) fn is_such(name: &str) -> bool {
    name.starts_with(SCHEME)
}

/// A name as it is compared; one of another kind, or that cannot be read, is itself.
pub(crate) fn normalized(name: &str) -> Cow<'_, str> {
    match is_such(name).then(|| ResourceName::parse(name)) {
        Some(Ok(parsed)) => Cow::Owned(parsed.text()),
        _ => Cow::Borrowed(name),
    }
}

/// Whether a name, as it is compared, is that of a collection.
pub(crate) fn is_collection(name: &str) -> bool {
    let path = name.split('?').next().unwrap_or_default();
    is_such(name) && path.ends_with("/*")
}

/// The name of the collection that a resource is a member of, if it can be of one.
pub(crate) fn collection_of(name: &str) -> Option<String> {
    let parsed = is_such(name).then(|| ResourceName::parse(name).ok())??;
    Some(parsed.into_collection().text())
}

/// The authority, and what comes behind the slash that ends it.
fn after_scheme(name: &str) -> (&str, &str) {
    let rest = name.split_once("://").map_or(name, |(_, rest)| rest);
    rest.split_once('/').unwrap_or((rest, ""))
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let escaped = match (first, behind) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                bytes.push(high << 4 | low);
                rest = behind.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    bytes
}

fn hex(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

fn escape(bytes: &[u8], reserved: &[u8], text: &mut String) {
    for byte in bytes {
        if *byte < b' ' || *byte >= b'~' || reserved.contains(byte) {
            text.push('%');
            for digit in [byte >> 4, byte & 15] {
                let digit = HEX.get(usize::from(digit)).copied().unwrap_or(b'0');
                text.push(char::from(digit));
            }
        } else {
            text.push(char::from(*byte));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: &str = "envoy.config.cluster.v3.Cluster";

    #[test]
    fn names_are_written_in_one_way() {
        let same = [
            ("xdstp://a/k/x?b=2&a=1&b=3", "xdstp://a/k/x?a=1&b=2"),
            (
                "xdstp://a%2f/k/x%20y:%C3%bc~#",
                "xdstp://a%2F/k/x y:%C3%BC%7E%23",
            ),
            ("xdstp:///k", "xdstp:///k"),
            ("xdstp:///k/a/b/*?c", "xdstp:///k/a/b/*?c="),
            ("xdstp://a/k/%zz%4", "xdstp://a/k/%25zz%254"),
            ("plain?b=2&a=1", "plain?b=2&a=1"),
            ("xdstp://a", "xdstp://a"),
        ];
        for (written, compared) in same {
            assert_eq!(normalized(written), compared);
            assert_eq!(normalized(compared), compared, "again");
        }
    }

    #[test]
    fn members_have_a_collection() {
        assert_eq!(
            collection_of("xdstp://a/k/x/y?b=1&a=2").as_deref(),
            Some("xdstp://a/k/x/*?a=2&b=1")
        );
        assert_eq!(
            collection_of("xdstp://a/k/x").as_deref(),
            Some("xdstp://a/k/*")
        );
        assert_eq!(collection_of("x/y"), None);
        assert!(is_collection("xdstp://a/k/x/*?a=2/"));
        assert!(!is_collection("xdstp://a/k/x*?a=/*"));
        assert!(!is_collection("a/*"));
    }

    #[test]
    fn locators_are_checked_in_envoys_words() {
        let wrong = [
            ("blah", "blah does not have a xdstp:, http: or file: scheme"),
            ("http://a/x", "Unsupported code path"),
            ("xdstp://a", "Resource type missing from /"),
            (
                "xdstp://a/envoy.config.cluster.v3.Cluster/x#foo=some",
                "Unknown fragment component foo=some",
            ),
            (
                "xdstp://a/other/x/*",
                "xdstp:// type does not match envoy.config.cluster.v3.Cluster in xdstp://a/other/x/*",
            ),
        ];
        for (locator, reason) in wrong {
            assert_eq!(
                ResourceName::parse_locator(locator, KIND),
                Err(reason.to_owned())
            );
        }
        let locator = format!("xdstp://a/{KIND}/x/*?n=own");
        let of_node = [("n", "node"), ("m", "&")];
        let bytes = |text: &str| text.as_bytes().to_vec();
        let context = of_node.map(|(key, value)| (bytes(key), bytes(value)));
        let name = ResourceName::parse_locator(&locator, KIND)
            .map(|name| name.with_context(&context.into()).text());
        let expected = format!("xdstp://a/{KIND}/x/*?m=%26&n=own");
        assert_eq!(name, Ok(expected));
    }
}
