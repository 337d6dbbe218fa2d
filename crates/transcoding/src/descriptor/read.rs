//! Reads a `FileDescriptorSet`: first the names of all types, then their fields, which refer to them.

use std::collections::HashMap;

use super::http_rule::EXTENSION;
use super::kinds::{Kind, Special};
use super::{Enum, EnumId, Field, Message, MessageId, Method, Pool, Service};
use crate::wire::{Fields, Malformed, Value};

/// How deep types may lie in each other.
const MAX_NESTING: usize = 32;

const MALFORMED: &str = "Unable to parse proto descriptor";

type Names = HashMap<String, Target>;

#[derive(Clone, Copy)]
enum Target {
    Message(MessageId),
    Enum(EnumId),
}

#[derive(Default)]
struct Reader<'a> {
    pool: Pool,
    names: Names,
    /// The message's bytes, and whether its file is of proto3, in the order of the pool.
    messages: Vec<(&'a [u8], bool)>,
    services: Vec<(String, &'a [u8])>,
}

/// All types of the files.
pub(super) fn pool(set: &[u8]) -> Result<Pool, String> {
    let mut reader = Reader::default();
    for field in Fields::of(set) {
        if let (1, Value::Bytes(file)) = field.map_err(malformed)? {
            reader.file(file).map_err(malformed)?;
        }
    }
    let messages = std::mem::take(&mut reader.messages);
    for (at, (bytes, is_proto3)) in messages.into_iter().enumerate() {
        reader.fields(at, bytes, is_proto3)?;
    }
    for (name, bytes) in std::mem::take(&mut reader.services) {
        let service = reader.service(name, bytes)?;
        reader.pool.services.push(service);
    }
    Ok(reader.pool)
}

fn malformed(_: Malformed) -> String {
    MALFORMED.to_owned()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The last text of a field.
fn text_of(message: &[u8], wanted: u32) -> Result<String, Malformed> {
    let mut found = String::new();
    for field in Fields::of(message) {
        if let (number, Value::Bytes(bytes)) = field?
            && number == wanted
        {
            found = text(bytes);
        }
    }
    Ok(found)
}

fn joined(scope: &str, name: &str) -> String {
    match scope {
        "" => name.to_owned(),
        _ => format!("{scope}.{name}"),
    }
}

impl<'a> Reader<'a> {
    fn file(&mut self, file: &'a [u8]) -> Result<(), Malformed> {
        let package = text_of(file, 2)?;
        // A file of an edition is read as proto3, whose defaults they have but for what features say.
        let is_proto3 = matches!(&*text_of(file, 12)?, "proto3" | "editions");
        for field in Fields::of(file) {
            match field? {
                (4, Value::Bytes(bytes)) => self.message(&package, bytes, is_proto3, 0)?,
                (5, Value::Bytes(bytes)) => self.enumeration(&package, bytes)?,
                (6, Value::Bytes(bytes)) => {
                    let name = joined(&package, &text_of(bytes, 1)?);
                    self.services.push((name, bytes));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn message(
        &mut self,
        scope: &str,
        bytes: &'a [u8],
        is_proto3: bool,
        depth: usize,
    ) -> Result<(), Malformed> {
        if depth == MAX_NESTING {
            return Err(Malformed);
        }
        let name = joined(scope, &text_of(bytes, 1)?);
        let id = MessageId(self.pool.messages.len());
        self.names.insert(name.clone(), Target::Message(id));
        self.pool.by_name.insert(name.as_str().into(), id);
        self.pool.messages.push(Message {
            special: Special::of(&name),
            name: name.as_str().into(),
            ..Message::default()
        });
        self.messages.push((bytes, is_proto3));
        for field in Fields::of(bytes) {
            match field? {
                (3, Value::Bytes(nested)) => self.message(&name, nested, is_proto3, depth + 1)?,
                (4, Value::Bytes(nested)) => self.enumeration(&name, nested)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn enumeration(&mut self, scope: &str, bytes: &'a [u8]) -> Result<(), Malformed> {
        let name = joined(scope, &text_of(bytes, 1)?);
        let mut values = Vec::new();
        for field in Fields::of(bytes) {
            if let (2, Value::Bytes(value)) = field? {
                let mut number = 0;
                for field in Fields::of(value) {
                    if let (2, Value::Varint(found)) = field? {
                        number = found;
                    }
                }
                values.push((text_of(value, 1)?.into(), low_half(number)));
            }
        }
        let id = EnumId(self.pool.enums.len());
        self.names.insert(name.clone(), Target::Enum(id));
        self.pool.enums.push(Enum {
            name: name.into(),
            values,
        });
        Ok(())
    }

    fn fields(&mut self, at: usize, bytes: &[u8], is_proto3: bool) -> Result<(), String> {
        let mut fields = Vec::new();
        let mut oneofs = Vec::new();
        let mut is_map_entry = false;
        for field in Fields::of(bytes) {
            match field.map_err(malformed)? {
                (2, Value::Bytes(field)) => fields.push(self.field(field, is_proto3)?),
                (8, Value::Bytes(oneof)) => {
                    oneofs.push(text_of(oneof, 1).map_err(malformed)?.into());
                }
                (7, Value::Bytes(options)) => {
                    for option in Fields::of(options) {
                        if let (7, Value::Varint(set)) = option.map_err(malformed)? {
                            is_map_entry = set != 0;
                        }
                    }
                }
                _ => {}
            }
        }
        let Some(message) = self.pool.messages.get_mut(at) else {
            return Ok(());
        };
        for (place, field) in fields.iter().enumerate() {
            message.by_number.entry(field.number).or_insert(place);
            message.by_name.entry(field.name.clone()).or_insert(place);
        }
        for (place, field) in fields.iter().enumerate() {
            let json_name = field.json_name.clone();
            message.by_name.entry(json_name).or_insert(place);
        }
        message.fields = fields;
        message.oneofs = oneofs;
        message.is_map_entry = is_map_entry;
        Ok(())
    }

    fn field(&self, bytes: &[u8], is_proto3: bool) -> Result<Field, String> {
        let mut raw = RawField::default();
        raw.read(bytes).map_err(malformed)?;
        let kind = match raw.kind {
            11 => match self.target(&raw.type_name)? {
                Target::Message(id) => Kind::Message(id),
                Target::Enum(_) => return Err(MALFORMED.to_owned()),
            },
            14 => match self.target(&raw.type_name)? {
                Target::Enum(id) => Kind::Enum(id),
                Target::Message(_) => return Err(MALFORMED.to_owned()),
            },
            scalar => Kind::of_scalar(scalar).ok_or_else(|| MALFORMED.to_owned())?,
        };
        let is_repeated = raw.label == 3;
        let oneof = raw.oneof.filter(|_| !raw.is_optional);
        let json_name = match raw.json_name.is_empty() {
            true => camel_case(&raw.name),
            false => raw.json_name,
        };
        Ok(Field {
            json_name: json_name.into(),
            name: raw.name.into(),
            number: raw.number,
            is_repeated,
            is_packed: is_repeated && kind.wire_type() != 2 && raw.is_packed.unwrap_or(is_proto3),
            has_presence: !is_repeated
                && (raw.oneof.is_some() || matches!(kind, Kind::Message(_)) || !is_proto3),
            oneof: oneof.and_then(|oneof| usize::try_from(oneof).ok()),
            kind,
        })
    }

    fn target(&self, name: &str) -> Result<Target, String> {
        let found = self.names.get(name.strip_prefix('.').unwrap_or(name));
        found.copied().ok_or_else(|| MALFORMED.to_owned())
    }

    fn service(&self, name: String, bytes: &[u8]) -> Result<Service, String> {
        let mut methods = Vec::new();
        for field in Fields::of(bytes) {
            if let (2, Value::Bytes(method)) = field.map_err(malformed)? {
                methods.push(self.method(method)?);
            }
        }
        Ok(Service {
            name: name.into(),
            methods,
        })
    }

    fn method(&self, bytes: &[u8]) -> Result<Method, String> {
        let message = |number| match self.target(&text_of(bytes, number).map_err(malformed)?)? {
            Target::Message(id) => Ok(id),
            Target::Enum(_) => Err(MALFORMED.to_owned()),
        };
        let mut method = Method {
            name: text_of(bytes, 1).map_err(malformed)?.into(),
            input: message(2)?,
            output: message(3)?,
            client_streams: false,
            server_streams: false,
            http: None,
        };
        for field in Fields::of(bytes) {
            match field.map_err(malformed)? {
                (4, Value::Bytes(options)) => method.options(options).map_err(malformed)?,
                (5, Value::Varint(set)) => method.client_streams = set != 0,
                (6, Value::Varint(set)) => method.server_streams = set != 0,
                _ => {}
            }
        }
        Ok(method)
    }
}

impl Method {
    fn options(&mut self, options: &[u8]) -> Result<(), Malformed> {
        for field in Fields::of(options) {
            if let (EXTENSION, Value::Bytes(rule)) = field? {
                self.http.get_or_insert_default().merge(rule, false)?;
            }
        }
        Ok(())
    }
}

#[derive(Default)]
struct RawField {
    name: String,
    json_name: String,
    number: u32,
    label: u64,
    kind: u64,
    type_name: String,
    oneof: Option<u64>,
    is_optional: bool,
    is_packed: Option<bool>,
}

impl RawField {
    fn read(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        for field in Fields::of(bytes) {
            match field? {
                (1, Value::Bytes(name)) => self.name = text(name),
                (3, Value::Varint(number)) => {
                    self.number = u32::try_from(number).map_err(|_| Malformed)?;
                }
                (4, Value::Varint(label)) => self.label = label,
                (5, Value::Varint(kind)) => self.kind = kind,
                (6, Value::Bytes(name)) => self.type_name = text(name),
                (8, Value::Bytes(options)) => {
                    for option in Fields::of(options) {
                        if let (2, Value::Varint(set)) = option? {
                            self.is_packed = Some(set != 0);
                        }
                    }
                }
                (9, Value::Varint(oneof)) => self.oneof = Some(oneof),
                (10, Value::Bytes(name)) => self.json_name = text(name),
                (17, Value::Varint(set)) => self.is_optional = set != 0,
                _ => {}
            }
        }
        Ok(())
    }
}

/// An `int32` as varints have it.
fn low_half(value: u64) -> i32 {
    let [a, b, c, d, ..] = value.to_le_bytes();
    i32::from_le_bytes([a, b, c, d])
}

/// The name in JSON of a field whose file does not say.
fn camel_case(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut raises = false;
    for letter in name.chars() {
        match letter {
            '_' => raises = true,
            _ if raises => {
                out.push(letter.to_ascii_uppercase());
                raises = false;
            }
            _ => out.push(letter),
        }
    }
    out
}
