//! What an expression is for a stream. An attribute that is not there, types that do not fit, overflows: all of these
//! fail, and `&&`, `||` and `?:` pass over what fails where the rest decides.

use std::borrow::Cow;

use super::ast::Constant;
use super::attributes::{Attributes, Root};
use super::functions::Function;
use super::program::Node;
use super::relations::{check_key, equal};
use super::value::{LOCALITY, List, Map, Message, Value};

/// There is no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failed;

/// A value, or none.
pub(super) type Evaluated<T> = Result<T, Failed>;

impl Node {
    /// Its value.
    pub(super) fn evaluate<'a>(&'a self, attributes: &Attributes<'a>) -> Evaluated<Value<'a>> {
        match self {
            Node::Constant(constant) => Ok(constant.value()),
            Node::Root(root) => attributes.root(*root).ok_or(Failed),
            Node::Metadata => Ok(attributes.dynamic_metadata()),
            Node::Type(of) => Ok(Value::Type(*of)),
            Node::Unknown => Err(Failed),
            Node::Select(operand, field) => {
                let operand = operand.evaluate(attributes)?;
                select(&operand, field, attributes)
            }
            Node::Has(operand, field) => {
                has(&operand.evaluate(attributes)?, field, attributes).map(Value::Bool)
            }
            Node::And(all) => decide(all, false, attributes),
            Node::Or(all) => decide(all, true, attributes),
            Node::Conditional(parts) => {
                let [condition, then, otherwise] = &**parts;
                match condition.evaluate(attributes)? {
                    Value::Bool(true) => then.evaluate(attributes),
                    Value::Bool(false) => otherwise.evaluate(attributes),
                    _ => Err(Failed),
                }
            }
            Node::Matches(text, pattern) => match text.evaluate(attributes)? {
                Value::String(text) => Ok(Value::Bool(pattern.is_in(&text))),
                _ => Err(Failed),
            },
            Node::Call(function, arguments) => call(*function, arguments, attributes),
            Node::List(all) => {
                let values = all.iter().map(|node| node.evaluate(attributes));
                let values: Vec<_> = values.collect::<Result<_, _>>()?;
                Ok(Value::List(List::Made(values.into())))
            }
            Node::Map(entries) => map(entries, attributes),
        }
    }
}

impl Constant {
    fn value(&self) -> Value<'_> {
        match self {
            Constant::Null => Value::Null,
            Constant::Bool(bool) => Value::Bool(*bool),
            Constant::Int(number) => Value::Int(*number),
            Constant::Uint(number) => Value::Uint(*number),
            Constant::Double(number) => Value::Double(*number),
            Constant::String(text) => Value::text(text),
            Constant::Bytes(bytes) => Value::Bytes(Cow::Borrowed(bytes)),
        }
    }
}

/// `&&` (decided by `false`) and `||` (decided by `true`).
fn decide<'a>(
    all: &'a [Node],
    deciding: bool,
    attributes: &Attributes<'a>,
) -> Evaluated<Value<'a>> {
    let mut failed = false;
    for node in all {
        match node.evaluate(attributes) {
            Ok(Value::Bool(bool)) if bool == deciding => return Ok(Value::Bool(deciding)),
            Ok(Value::Bool(_)) => {}
            _ => failed = true,
        }
    }
    match failed {
        true => Err(Failed),
        false => Ok(Value::Bool(!deciding)),
    }
}

fn call<'a>(
    function: Function,
    arguments: &'a [Node],
    attributes: &Attributes<'a>,
) -> Evaluated<Value<'a>> {
    // Few, so that most calls need no memory.
    match arguments {
        [one] => function.call(&[one.evaluate(attributes)?]),
        [one, two] => {
            let pair = [one.evaluate(attributes)?, two.evaluate(attributes)?];
            match (function, &pair) {
                (Function::In, [key, Value::Map(map)]) if !matches!(map, Map::Made(_)) => {
                    check_key(key)?;
                    Ok(Value::Bool(of_map(map, key, attributes).is_some()))
                }
                (Function::Index, [Value::Map(map), key]) if !matches!(map, Map::Made(_)) => {
                    check_key(key)?;
                    of_map(map, key, attributes).ok_or(Failed)
                }
                _ => function.call(&pair),
            }
        }
        more => {
            let values = more.iter().map(|node| node.evaluate(attributes));
            function.call(&values.collect::<Result<Vec<_>, _>>()?)
        }
    }
}

fn map<'a>(entries: &'a [(Node, Node)], attributes: &Attributes<'a>) -> Evaluated<Value<'a>> {
    let mut made: Vec<(Value<'a>, Value<'a>)> = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        let (key, value) = (key.evaluate(attributes)?, value.evaluate(attributes)?);
        let is_key = matches!(
            key,
            Value::Bool(_) | Value::Int(_) | Value::Uint(_) | Value::String(_)
        );
        if !is_key || made.iter().any(|(known, _)| equal(known, &key)) {
            return Err(Failed);
        }
        made.push((key, value));
    }
    Ok(Value::Map(Map::Made(made.into())))
}

/// What a map that is not of the expression's own has at a key.
fn of_map<'a>(map: &Map<'a>, key: &Value<'_>, attributes: &Attributes<'a>) -> Option<Value<'a>> {
    let Value::String(name) = key else {
        return None;
    };
    let text = || std::str::from_utf8(name).ok();
    match map {
        Map::Root(root) => attributes.of(*root, text()?),
        Map::Headers(headers) => super::attributes::header((*headers)?, name),
        Map::Struct(fields) => fields.get(text()?).map(Value::of_metadata),
        Map::Namespaces(metadata) => {
            let fields = (*metadata)?.namespace(text()?)?;
            Some(Value::Map(Map::Struct(fields)))
        }
        Map::Made(entries) => {
            let found = entries.iter().find(|(known, _)| equal(known, key));
            found.map(|(_, value)| value.clone())
        }
        Map::Empty => None,
    }
}

fn of_locality<'a>(names: &'a [Box<str>; 3], field: &str) -> Evaluated<&'a str> {
    let mut fields = LOCALITY.iter().zip(names);
    let found = fields.find(|(name, _)| **name == field);
    found.map(|(_, value)| &**value).ok_or(Failed)
}

/// What a value has by this name, if it has it.
pub(super) fn member<'a>(
    operand: &Value<'a>,
    field: &str,
    attributes: &Attributes<'a>,
) -> Option<Value<'a>> {
    select(operand, field, attributes).ok()
}

fn select<'a>(
    operand: &Value<'a>,
    field: &str,
    attributes: &Attributes<'a>,
) -> Evaluated<Value<'a>> {
    match operand {
        Value::Map(Map::Root(Root::Node)) => attributes.of(Root::Node, field).ok_or(Failed),
        Value::Map(map) => of_map(map, &Value::text(field), attributes).ok_or(Failed),
        Value::Message(Message::Metadata(metadata)) => match field {
            "filter_metadata" => Ok(Value::Map(Map::Namespaces(*metadata))),
            "typed_filter_metadata" => Ok(Value::Map(Map::Empty)),
            _ => Err(Failed),
        },
        Value::Message(Message::Locality(names)) => of_locality(names, field).map(Value::text),
        _ => Err(Failed),
    }
}

fn has<'a>(operand: &Value<'a>, field: &'a str, attributes: &Attributes<'a>) -> Evaluated<bool> {
    match operand {
        Value::Map(map) => Ok(of_map(map, &Value::text(field), attributes).is_some()),
        Value::Message(Message::Metadata(metadata)) => match field {
            "filter_metadata" => Ok(metadata.is_some_and(|metadata| !metadata.is_empty())),
            "typed_filter_metadata" => Ok(false),
            _ => Err(Failed),
        },
        Value::Message(Message::Locality(names)) => {
            of_locality(names, field).map(|name| !name.is_empty())
        }
        _ => Err(Failed),
    }
}
