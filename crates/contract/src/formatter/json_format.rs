//! `json_format`: a struct whose texts may hold commands, compiled to pieces.
//!
//! Keys are sorted. A text that is one command and nothing else keeps the command's type: numbers stay
//! numbers, what is missing is `null`. Any other text with commands is a string. With `omit_empty_values`,
//! what is missing is left out with its key, and objects that become empty with it; lists stay.

use super::FormatContext;
use super::commands::ExtensionCommands;
use super::error::FormatError;
use super::json_text::append_quoted_json;
use super::template::Template;
use crate::stream_info::metadata::{Struct, Value};

/// A compiled JSON format.
#[derive(Clone, Debug)]
pub(super) struct JsonFormat {
    root: Element,
    omit_empty: bool,
}

#[derive(Clone, Debug)]
enum Element {
    /// JSON that is the same in every line.
    Constant(Box<[u8]>),
    /// A text with commands.
    Template(Template),
    /// Named members, each with its `"name":`.
    Object(Box<[(Box<[u8]>, Element)]>),
    /// A list.
    Array(Box<[Element]>),
}

impl JsonFormat {
    /// Compiles `format`.
    pub(super) fn compile(
        format: &Struct,
        omit_empty: bool,
        extensions: &ExtensionCommands,
    ) -> Result<Self, FormatError> {
        let root = object(format, omit_empty, extensions)?;
        // Without omission nothing changes the shape, so that neighbours can be joined.
        let root = if omit_empty { root } else { flatten(root) };
        Ok(JsonFormat { root, omit_empty })
    }

    /// Appends the object and a newline.
    pub(super) fn append(&self, context: &FormatContext<'_>, out: &mut Vec<u8>) {
        if !self.root.append(self.omit_empty, context, out) {
            out.extend_from_slice(b"{}");
        }
        out.push(b'\n');
    }
}

fn element(
    value: &Value,
    omit_empty: bool,
    extensions: &ExtensionCommands,
) -> Result<Option<Element>, FormatError> {
    let constant = |value: &Value| {
        let mut out = Vec::new();
        super::metadata_value::append_value(value, &mut out);
        Element::Constant(out.into())
    };
    Ok(Some(match value {
        Value::Null if omit_empty => return Ok(None),
        Value::String(text) if text.contains('%') => {
            Element::Template(Template::compile(text.as_bytes(), extensions)?)
        }
        Value::Struct(fields) => object(fields, omit_empty, extensions)?,
        Value::List(values) => {
            let elements = values
                .iter()
                .map(|value| element(value, omit_empty, extensions));
            let elements: Vec<Option<Element>> = elements.collect::<Result<_, _>>()?;
            Element::Array(elements.into_iter().flatten().collect())
        }
        scalar => constant(scalar),
    }))
}

fn object(
    fields: &Struct,
    omit_empty: bool,
    extensions: &ExtensionCommands,
) -> Result<Element, FormatError> {
    let mut members = Vec::new();
    for (name, value) in fields.fields() {
        if let Some(element) = element(value, omit_empty, extensions)? {
            let mut key = Vec::new();
            append_quoted_json(name.as_bytes(), &mut key);
            key.push(b':');
            members.push((key.into(), element));
        }
    }
    Ok(Element::Object(members.into()))
}

/// Turns an element whose shape is fixed into a list of constants and templates, printed without commas.
fn flatten(element: Element) -> Element {
    let mut pieces = Vec::new();
    let mut constant = Vec::new();
    collect(element, &mut constant, &mut pieces);
    pieces.push((constant.into(), Element::Constant(Box::default())));
    Element::Object(pieces.into())
}

fn collect(element: Element, constant: &mut Vec<u8>, pieces: &mut Vec<(Box<[u8]>, Element)>) {
    match element {
        Element::Constant(text) => constant.extend_from_slice(&text),
        Element::Template(template) => {
            pieces.push((std::mem::take(constant).into(), Element::Template(template)));
        }
        Element::Object(members) => {
            constant.push(b'{');
            for (at, (key, member)) in members.into_iter().enumerate() {
                if at > 0 {
                    constant.push(b',');
                }
                constant.extend_from_slice(&key);
                collect(member, constant, pieces);
            }
            constant.push(b'}');
        }
        Element::Array(elements) => {
            constant.push(b'[');
            for (at, element) in elements.into_iter().enumerate() {
                if at > 0 {
                    constant.push(b',');
                }
                collect(element, constant, pieces);
            }
            constant.push(b']');
        }
    }
}

impl Element {
    /// Appends the element; `false`, and nothing appended, if it is to be left out.
    fn append(&self, omit_empty: bool, context: &FormatContext<'_>, out: &mut Vec<u8>) -> bool {
        match self {
            Element::Constant(text) => {
                out.extend_from_slice(text);
                true
            }
            Element::Template(template) => append_template(template, omit_empty, context, out),
            Element::Object(pieces) if !omit_empty => {
                for (before, piece) in pieces {
                    out.extend_from_slice(before);
                    piece.append(false, context, out);
                }
                true
            }
            Element::Object(members) => append_object(members, context, out),
            Element::Array(elements) => {
                append_array(elements, context, out);
                true
            }
        }
    }
}

fn append_template(
    template: &Template,
    omit_empty: bool,
    context: &FormatContext<'_>,
    out: &mut Vec<u8>,
) -> bool {
    if let Some(operator) = template.single_operator() {
        let present = operator.append_json(context, out);
        if !present && !omit_empty {
            out.extend_from_slice(b"null");
        }
        return present || !omit_empty;
    }
    out.push(b'"');
    template.append_escaped(omit_empty, context, out);
    out.push(b'"');
    true
}

fn append_object(
    members: &[(Box<[u8]>, Element)],
    context: &FormatContext<'_>,
    out: &mut Vec<u8>,
) -> bool {
    let start = out.len();
    out.push(b'{');
    for (key, element) in members {
        let before = out.len();
        if before > start + 1 {
            out.push(b',');
        }
        out.extend_from_slice(key);
        if !element.append(true, context, out) {
            out.truncate(before);
        }
    }
    if out.len() == start + 1 {
        out.truncate(start);
        return false;
    }
    out.push(b'}');
    true
}

fn append_array(elements: &[Element], context: &FormatContext<'_>, out: &mut Vec<u8>) {
    let start = out.len();
    out.push(b'[');
    for element in elements {
        let before = out.len();
        if before > start + 1 {
            out.push(b',');
        }
        if !element.append(true, context, out) {
            out.truncate(before);
        }
    }
    out.push(b']');
}
