//! Hash policies: what of a request decides by which of a cluster's hosts it is answered.
//!
//! Hashes are Envoy's, XXH64 of the values: those of a header are sorted and hashed one after another, the hashes of
//! several policies are joined by rotation. A cookie that is missing is made from the addresses of the connection, so
//! that requests of one connection get the same one.

mod messages;

use std::borrow::Cow;

use nuncio_config::typed::{Ctx, Refused};

pub use messages::HashPolicyMessage;
use messages::{CookiePolicy, PolicySpecifier};

use crate::cookies;
use crate::hash::xxh64;
use crate::headers::{HeaderMap, HeaderName, Known};
use crate::matching::RegexRewrite;
use crate::stream_info::{Address, FilterStateObject, StreamInfo};

/// Policies in order.
#[derive(Clone, Debug, Default)]
pub struct HashPolicies(Vec<Policy>);

#[derive(Clone, Debug)]
struct Policy {
    of: Of,
    terminal: bool,
}

#[derive(Clone, Debug)]
enum Of {
    Header(HeaderName, Option<RegexRewrite>),
    Cookie(Cookie),
    SourceIp,
    QueryParameter(Box<[u8]>),
    FilterState(Box<str>),
}

#[derive(Clone, Debug)]
struct Cookie {
    name: Box<str>,
    /// What follows the value of one that is made; none if none is made.
    attributes: Option<Box<str>>,
}

/// What policies came to for one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestHash {
    /// The hash, if any policy had something to hash.
    pub hash: Option<u64>,
    /// Values of `set-cookie` for the response.
    pub cookies: Vec<Box<str>>,
}

impl HashPolicies {
    /// Compiles policies; every mistake is told to `ctx`.
    ///
    /// # Errors
    /// [`Refused`] if one is wrong.
    pub fn compile(messages: &[HashPolicyMessage], ctx: &mut Ctx) -> Result<Self, Refused> {
        let policies = messages
            .iter()
            .filter_map(|message| Policy::compile(message, ctx).transpose());
        policies.collect::<Result<_, _>>().map(Self)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The hash of a request.
    pub fn hash(&self, request: &HeaderMap, info: &StreamInfo) -> RequestHash {
        let mut result = RequestHash::default();
        for policy in &self.0 {
            if let Some(hash) = policy.of.hash(request, info, &mut result.cookies) {
                let before = result.hash.unwrap_or(0);
                result.hash = Some(before.rotate_left(1) ^ hash);
            }
            if policy.terminal && result.hash.is_some() {
                break;
            }
        }
        result
    }
}

impl Policy {
    /// None for one that hashes nothing.
    fn compile(message: &HashPolicyMessage, ctx: &mut Ctx) -> Result<Option<Self>, Refused> {
        let of = match &message.policy_specifier {
            PolicySpecifier::Header(header) => {
                let name = HeaderName::to_look_up(&header.header_name.value);
                let rewrite = header.regex_rewrite.as_ref();
                let rewrite = rewrite.map(|rewrite| RegexRewrite::compile(rewrite, ctx));
                Of::Header(name, rewrite.transpose()?)
            }
            PolicySpecifier::Cookie(cookie) => Of::Cookie(Cookie::new(cookie)),
            PolicySpecifier::Connection(connection) if !connection.source_ip => return Ok(None),
            PolicySpecifier::Connection(_) => Of::SourceIp,
            PolicySpecifier::QueryParameter(parameter) => {
                Of::QueryParameter(parameter.name.as_bytes().into())
            }
            PolicySpecifier::FilterState(state) => Of::FilterState(state.key.as_str().into()),
        };
        let terminal = message.terminal;
        Ok(Some(Self { of, terminal }))
    }
}

impl Of {
    fn hash(
        &self,
        request: &HeaderMap,
        info: &StreamInfo,
        made: &mut Vec<Box<str>>,
    ) -> Option<u64> {
        match self {
            Of::Header(name, rewrite) => hash_header(request, name, rewrite.as_ref()),
            Of::Cookie(cookie) => match cookies::find(request, cookie.name.as_bytes()) {
                Some(value) => Some(xxh64(value, 0)),
                None => cookie.make(info, made),
            },
            Of::SourceIp => {
                let ip = info.downstream_remote_address()?.ip()?;
                Some(xxh64(ip.to_string().as_bytes(), 0))
            }
            Of::QueryParameter(name) => {
                let value = query_parameter(request.get(Known::Path)?, name)?;
                Some(xxh64(value, 0))
            }
            Of::FilterState(key) => info.object(key)?.hash(),
        }
    }
}

fn hash_header(
    request: &HeaderMap,
    name: &HeaderName,
    rewrite: Option<&RegexRewrite>,
) -> Option<u64> {
    let mut values: Vec<Cow<'_, [u8]>> = request
        .get_all_named(name)
        .map(|value| match rewrite {
            Some(rewrite) => Cow::Owned(rewrite.replace_all(value)),
            None => Cow::Borrowed(value),
        })
        .collect();
    values.sort_unstable();
    let hash = |seed, value: &Cow<'_, [u8]>| xxh64(value, seed);
    (!values.is_empty()).then(|| values.iter().fold(0, hash))
}

/// The first value of a parameter, as it stands.
fn query_parameter<'a>(path: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let at = path.iter().position(|byte| *byte == b'?')?;
    let query = path.get(at + 1..)?;
    query.split(|byte| *byte == b'&').find_map(|pair| {
        let at = pair.iter().position(|byte| *byte == b'=');
        let (key, value) = match at {
            Some(at) => (pair.get(..at)?, pair.get(at + 1..)?),
            None => (pair, &b""[..]),
        };
        (!pair.is_empty() && key == name).then_some(value)
    })
}

impl Cookie {
    fn new(message: &CookiePolicy) -> Self {
        let attributes = message.ttl.map(|ttl| {
            let mut text = String::new();
            if ttl.as_secs() > 0 {
                text += &format!("; Max-Age={}", ttl.as_secs());
            }
            if !message.path.is_empty() {
                text += &format!("; Path={}", message.path);
            }
            for attribute in &message.attributes {
                text += &match &*attribute.value {
                    "" => format!("; {}", attribute.name),
                    value => format!("; {}={value}", attribute.name),
                };
            }
            text += "; HttpOnly";
            text.into()
        });
        Self {
            name: message.name.as_str().into(),
            attributes,
        }
    }

    fn make(&self, info: &StreamInfo, made: &mut Vec<Box<str>>) -> Option<u64> {
        let attributes = self.attributes.as_deref()?;
        let text = |address: &Option<Address>| address.as_ref()?.serialize_as_string();
        let remote = text(&info.connection.remote_address)?;
        let local = text(&info.connection.local_address)?;
        let value = format!("{:016x}", xxh64((remote + &local).as_bytes(), 0));
        made.push(format!("{}=\"{value}\"{attributes}", self.name).into());
        Some(xxh64(value.as_bytes(), 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_of_a_parameter_is_taken_as_it_stands() {
        let of = |path: &'static str| query_parameter(path.as_bytes(), b"k");
        assert_eq!(of("/?a=1&k=%20&k=2"), Some(&b"%20"[..]));
        assert_eq!(of("/?k"), Some(&b""[..]));
        assert_eq!(of("/k=1"), None);
        assert_eq!(of("/?K=1"), None);
    }

    #[test]
    fn values_of_a_header_hash_alike_in_any_order() {
        let of = |values: &[&str]| {
            let mut request = HeaderMap::request();
            let name = HeaderName::parse_with_pseudo("x-key").unwrap();
            for value in values {
                request.append(&name, value.as_bytes());
            }
            hash_header(&request, &name, None)
        };
        assert_eq!(of(&["a"]), Some(xxh64(b"a", 0)));
        assert_eq!(of(&["a", "b"]), of(&["b", "a"]));
        assert_ne!(of(&["a", "b"]), of(&["ab"]));
        assert_eq!(of(&[]), None);
    }
}
