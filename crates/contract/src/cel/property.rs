//! Attributes by their paths and expressions made at run time, as plugins ask for them: their values are bytes, numbers
//! in their own representation, lists and maps as pairs. Messages with something in them are not told yet.
//!
//! Follows Envoy's Wasm host, whose plugins know which type a value has.

use super::attributes::{Attributes, Root};
use super::evaluate::member;
use super::{Expression, Message, Options, ParseOrBuild, Refusal, Value};
use crate::headers::HeaderMap;
use crate::services::WorkerServices;
use crate::stream_info::StreamInfo;

/// What may be asked of a stream.
#[derive(Clone, Copy)]
pub struct PropertyContext<'a> {
    /// The stream.
    pub info: &'a StreamInfo,
    /// The request's headers, where they may be seen.
    pub request: Option<&'a HeaderMap>,
    /// The response's.
    pub response: Option<&'a HeaderMap>,
    /// The response's trailers.
    pub trailers: Option<&'a HeaderMap>,
    /// What knows the process.
    pub services: &'a dyn WorkerServices,
}

/// Why there is no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoProperty {
    /// It is not there.
    Missing,
    /// It cannot be told as bytes.
    NoBytes,
    /// The expression failed.
    Failed,
}

/// Names and values, in the form in which plugins get them.
pub type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

impl<'a> PropertyContext<'a> {
    fn attributes(&self) -> Attributes<'a> {
        Attributes {
            info: self.info,
            request: self.request,
            response: self.response,
            trailers: self.trailers,
            services: Some(self.services),
            lacks_response: None,
        }
    }

    /// The value at a path.
    ///
    /// # Errors
    /// If there is none.
    pub fn find(
        &self,
        path: &[&str],
        tell: &dyn Fn(&Pairs) -> Vec<u8>,
    ) -> Result<Vec<u8>, NoProperty> {
        let attributes = self.attributes();
        let (first, rest) = path.split_first().ok_or(NoProperty::NoBytes)?;
        let mut value = match (Root::named(first), *first) {
            (Some(root), _) => attributes.root(root),
            (None, "metadata") => Some(attributes.dynamic_metadata()),
            _ => None,
        }
        .ok_or(NoProperty::Missing)?;
        let mut root = Root::named(first);
        for name in rest {
            if root == Some(Root::Xds) && *name == "node" {
                root = Some(Root::Node);
                value = attributes.root(Root::Node).ok_or(NoProperty::Missing)?;
                continue;
            }
            root = None;
            value = match &value {
                Value::List(list) => name.parse().ok().and_then(|at| list.get(at)),
                other => member(other, name, &attributes),
            }
            .ok_or(NoProperty::Missing)?;
        }
        told(&value, tell).ok_or(NoProperty::NoBytes)
    }
}

/// A value as bytes; none where it has no such form.
fn told(value: &Value<'_>, tell: &dyn Fn(&Pairs) -> Vec<u8>) -> Option<Vec<u8>> {
    Some(match value {
        Value::String(bytes) | Value::Bytes(bytes) => bytes.to_vec(),
        Value::Int(number) => number.to_le_bytes().to_vec(),
        Value::Uint(number) => number.to_le_bytes().to_vec(),
        Value::Double(number) => number.to_le_bytes().to_vec(),
        Value::Bool(truth) => vec![u8::from(*truth)],
        Value::Duration(nanos) | Value::Timestamp(nanos) => {
            i64::try_from(*nanos).ok()?.to_le_bytes().to_vec()
        }
        Value::List(list) => {
            let all = list
                .values()
                .map(|value| Some((told(&value, tell)?, Vec::new())));
            tell(&all.collect::<Option<_>>()?)
        }
        Value::Map(map) => {
            let all = map.entries()?.into_iter();
            let all = all.map(|(key, value)| Some((told(&key, tell)?, told(&value, tell)?)));
            tell(&all.collect::<Option<_>>()?)
        }
        // Without anything in it, a message has no bytes.
        Value::Message(Message::Metadata(metadata)) if metadata.is_none_or(|it| it.is_empty()) => {
            Vec::new()
        }
        Value::Message(_) | Value::Null | Value::Type(_) => return None,
    })
}

/// An expression that was made at run time.
#[derive(Clone, Debug)]
pub struct PropertyExpression(Expression);

impl PropertyExpression {
    /// Compiles a text.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        match Expression::parse(text, Options::default()) {
            Ok(expression) => Ok(PropertyExpression(expression)),
            Err(ParseOrBuild::Parse(why)) => Err(why),
            Err(ParseOrBuild::Build(Refusal::Wrong(why) | Refusal::NotYet(why))) => Err(why),
        }
    }

    /// Its value.
    ///
    /// # Errors
    /// If there is none.
    pub fn evaluate(
        &self,
        context: &PropertyContext<'_>,
        tell: &dyn Fn(&Pairs) -> Vec<u8>,
    ) -> Result<Vec<u8>, NoProperty> {
        let attributes = context.attributes();
        let value = self.0.evaluate(&attributes).ok_or(NoProperty::Failed)?;
        told(&value, tell).ok_or(NoProperty::NoBytes)
    }
}
