//! Scoped routes: a request has the table of the scope whose key is its own, made of parts of its headers; without a
//! scope it has no routes. Of two scopes with one key, or one name, the later one counts.

use std::collections::HashMap;
use std::sync::Arc;

use nuncio_config::typed::{Ctx, Refused};
use nuncio_contract::headers::{HeaderMap, HeaderName};

use super::RouteTable;
use crate::config::scoped_routes::{
    ExtractType, FragmentBuilderType, HeaderValueExtractor, KeyFragmentType,
    ScopeKeyBuilderMessage, ScopeKeyMessage,
};

/// A key: its parts in their order.
type Key = Box<[Box<[u8]>]>;

/// The tables of some scopes.
pub(crate) struct Scopes {
    builder: Box<[Extractor]>,
    /// By their keys, the places of their tables.
    places: HashMap<Key, usize>,
    tables: Box<[Arc<RouteTable>]>,
}

/// Takes a part of a key from a header.
struct Extractor {
    header: HeaderName,
    /// What stands between the elements; empty: there is one.
    separator: Box<[u8]>,
    which: Which,
}

enum Which {
    /// The element at this place.
    At(usize),
    /// What stands behind the separator in the first element with this key.
    Of {
        key: Box<[u8]>,
        separator: Box<[u8]>,
    },
}

/// A scope that was read.
#[derive(Clone)]
pub(crate) struct RouteScope {
    pub(crate) name: Box<str>,
    pub(crate) key: Key,
    pub(crate) table: Arc<RouteTable>,
}

impl Scopes {
    /// The scopes, and how the key of a request is made.
    pub(crate) fn new(
        builder: &ScopeKeyBuilderMessage,
        scopes: Vec<RouteScope>,
        ctx: &mut Ctx,
    ) -> Result<Self, Refused> {
        let extractors = builder.fragments.iter().map(|fragment| {
            let FragmentBuilderType::HeaderValue(extractor) = &fragment.r#type;
            Extractor::new(extractor, ctx)
        });
        let builder = extractors.collect::<Vec<_>>().into_iter();
        let builder = builder.collect::<Result<_, _>>()?;
        let mut by_name: HashMap<Box<str>, Key> = HashMap::new();
        let mut places = HashMap::new();
        let mut tables = Vec::with_capacity(scopes.len());
        for RouteScope { name, key, table } in scopes {
            if let Some(former) = by_name.insert(name, key.clone()) {
                places.remove(&former);
            }
            places.insert(key, tables.len());
            tables.push(table);
        }
        Ok(Scopes {
            builder,
            places,
            tables: tables.into(),
        })
    }

    /// The tables.
    pub(crate) fn tables(&self) -> &[Arc<RouteTable>] {
        &self.tables
    }

    /// The place of the table that a request has.
    pub(crate) fn find(&self, request: &HeaderMap) -> Option<usize> {
        let parts = self.builder.iter();
        let key: Option<Key> = parts.map(|part| part.of(request).map(Box::from)).collect();
        self.places.get(&key?).copied()
    }
}

/// The key of a scope.
pub(crate) fn key(message: &ScopeKeyMessage) -> Key {
    let parts = message.fragments.iter().map(|fragment| {
        let KeyFragmentType::StringKey(text) = &fragment.r#type;
        text.as_bytes().into()
    });
    parts.collect()
}

impl Extractor {
    fn new(message: &HeaderValueExtractor, ctx: &mut Ctx) -> Result<Self, Refused> {
        let header = HeaderName::to_look_up(&message.name.value);
        let which = match &message.extract_type {
            ExtractType::Index(0) => Which::At(0),
            ExtractType::Index(_) if message.element_separator.is_empty() => {
                let text = "Index > 0 for empty string element separator.";
                ctx.error(message.span(), text);
                return Err(Refused);
            }
            ExtractType::Index(index) => Which::At(usize::try_from(*index).unwrap_or(usize::MAX)),
            ExtractType::Element(element) => Which::Of {
                key: element.key.as_bytes().into(),
                separator: element.separator.as_bytes().into(),
            },
        };
        Ok(Extractor {
            header,
            separator: message.element_separator.as_bytes().into(),
            which,
        })
    }

    fn of<'a>(&self, request: &'a HeaderMap) -> Option<&'a [u8]> {
        let value = request.get(&self.header)?;
        match &self.which {
            Which::At(place) => Elements(Some(value), &self.separator).nth(*place),
            Which::Of { key, separator } => {
                let mut elements = Elements(Some(value), &self.separator);
                elements.find_map(|element| {
                    let mut pair = Elements(Some(element), separator);
                    if pair.next()? != &**key {
                        return None;
                    }
                    Some(pair.0.unwrap_or_default())
                })
            }
        }
    }
}

/// What is left to be split, and what it is split by.
struct Elements<'a, 's>(Option<&'a [u8]>, &'s [u8]);

impl<'a> Iterator for Elements<'a, '_> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.0.take()?;
        let width = self.1.len();
        let at = match width {
            0 => None,
            _ => rest.windows(width).position(|window| window == self.1),
        };
        match at.and_then(|at| Some((rest.get(..at)?, rest.get(at + width..)?))) {
            Some((element, rest)) => {
                self.0 = Some(rest);
                Some(element)
            }
            None => Some(rest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split<'a>(value: &'a str, separator: &'a str) -> Vec<&'a str> {
        let elements = Elements(Some(value.as_bytes()), separator.as_bytes());
        let texts = elements.map(|element| std::str::from_utf8(element).expect("it was text"));
        texts.collect()
    }

    #[test]
    fn a_value_is_split_at_each_separator_and_nowhere_without_one() {
        assert_eq!(split("a;b;;c", ";"), ["a", "b", "", "c"]);
        assert_eq!(split("a;b", ""), ["a;b"]);
        assert_eq!(split("", ";"), [""]);
        assert_eq!(split("a--b-", "--"), ["a", "b-"]);
    }
}
