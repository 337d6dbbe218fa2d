//! A request to the admin, free of its transport.

/// What was asked.
#[derive(Clone, Copy, Debug)]
pub struct AdminRequest<'a> {
    /// The method, in capitals.
    pub method: &'a str,
    /// The path without the query, normalised (slashes merged).
    pub path: &'a str,
    /// What follows the `?`; empty if there is none.
    pub query: &'a str,
    /// The `accept` headers, with commas between; empty if there is none.
    pub accept: &'a str,
    /// The form values in the body; empty if it is something else.
    pub body: &'a [u8],
}

impl<'a> AdminRequest<'a> {
    /// A request for a path with its query, such as `/stats?format=json`.
    pub fn new(method: &'a str, path_and_query: &'a str) -> Self {
        let (path, query) = path_and_query
            .split_once('?')
            .unwrap_or((path_and_query, ""));
        Self {
            method,
            path,
            query,
            accept: "",
            body: &[],
        }
    }

    /// The parameters of the query or, if it has none, the form values in the body.
    pub fn params(&self) -> Params {
        let query = Params::parse(self.query);
        match query.is_empty() {
            true => Params::parse(&String::from_utf8_lossy(self.body)),
            false => query,
        }
    }
}

/// Query parameters or form values, percent-decoded, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(Vec<(String, String)>);

impl Params {
    /// Parses `a=b&c=d`. `+` stays as it is, as in Envoy.
    pub fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .map(decode_pair)
                .collect(),
        )
    }

    /// The first value of a parameter; empty for one without `=`.
    pub fn first(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|pair| pair.0 == name)
            .map(|pair| pair.1.as_str())
    }

    /// As [`first`](Self::first), but `None` for an empty value.
    pub fn non_empty(&self, name: &str) -> Option<&str> {
        self.first(name).filter(|value| !value.is_empty())
    }

    /// Whether a parameter is there, with any value or none.
    pub fn has(&self, name: &str) -> bool {
        self.first(name).is_some()
    }

    /// All names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|pair| (pair.0.as_str(), pair.1.as_str()))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn decode_pair((name, value): (&str, &str)) -> (String, String) {
    (percent_decode(name), percent_decode(value))
}

/// Replaces `%XX`; what is no escape stays, and what is no UTF-8 becomes the replacement character.
fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = match after {
            [high, low, ..] if *first == b'%' => {
                hex(*high).zip(hex(*low)).map(|(high, low)| high << 4 | low)
            }
            _ => None,
        };
        bytes.push(escaped.unwrap_or(*first));
        rest = after
            .get(if escaped.is_some() { 2 } else { 0 }..)
            .unwrap_or_default();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_and_may_lack_a_value() {
        let request = AdminRequest::new("GET", "/stats?filter=%5Ea%2fb&usedonly&&x=%zz+");
        assert_eq!(request.path, "/stats");
        let params = request.params();
        assert_eq!(params.first("filter"), Some("^a/b"));
        assert!(params.has("usedonly"));
        assert_eq!(params.non_empty("usedonly"), None);
        assert_eq!(params.first("x"), Some("%zz+"));
        assert_eq!(params.len(), 3);
    }
}
