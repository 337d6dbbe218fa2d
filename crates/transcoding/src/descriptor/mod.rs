//! What is known of messages, enums and services, from a `FileDescriptorSet` as protobuf's compilers write it.
//!
//! Types refer to each other by their places in the pool, so that nothing is looked up by name while a message is
//! transcoded, but for the types in `Any`.

mod builtin;
mod http_rule;
mod kinds;
mod read;

use std::collections::HashMap;

pub use http_rule::HttpRule;
pub use kinds::{Kind, Special};

/// The place of a message in its pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageId(usize);

/// The place of an enum in its pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnumId(usize);

/// All types of a set of files.
#[derive(Debug, Default)]
pub struct Pool {
    messages: Vec<Message>,
    enums: Vec<Enum>,
    by_name: HashMap<Box<str>, MessageId>,
    services: Vec<Service>,
}

/// A message's type.
#[derive(Debug, Default)]
pub struct Message {
    /// The full name, without a dot before it.
    pub name: Box<str>,
    /// The fields, in the order of the file.
    pub fields: Vec<Field>,
    /// The names of the groups of fields of which one is set.
    pub oneofs: Vec<Box<str>>,
    /// Whether it is the entry of a map.
    pub is_map_entry: bool,
    /// What it is to the mapping of JSON.
    pub special: Special,
    /// By number: places in `fields`.
    by_number: HashMap<u32, usize>,
    /// By both names: places in `fields`.
    by_name: HashMap<Box<str>, usize>,
}

/// A field.
#[derive(Debug)]
pub struct Field {
    /// As the file has it.
    pub name: Box<str>,
    /// As JSON has it.
    pub json_name: Box<str>,
    /// Its number.
    pub number: u32,
    /// Whether there may be many.
    pub is_repeated: bool,
    /// Whether many lie together in one field of bytes.
    pub is_packed: bool,
    /// Whether it is known to be there even where it has its default.
    pub has_presence: bool,
    /// The group of fields of which one is set that it belongs to, by its place in [`Message::oneofs`].
    pub oneof: Option<usize>,
    /// Its type.
    pub kind: Kind,
}

/// An enum's type.
#[derive(Debug, Default)]
pub struct Enum {
    /// The full name.
    pub name: Box<str>,
    /// Names and numbers, in the order of the file.
    pub values: Vec<(Box<str>, i32)>,
}

/// A service.
#[derive(Debug)]
pub struct Service {
    /// The full name.
    pub name: Box<str>,
    /// Its methods.
    pub methods: Vec<Method>,
}

/// A method of a service.
#[derive(Clone, Debug)]
pub struct Method {
    /// The name alone.
    pub name: Box<str>,
    /// What it is called with.
    pub input: MessageId,
    /// What it answers.
    pub output: MessageId,
    /// Whether it is called with many messages.
    pub client_streams: bool,
    /// Whether it answers many messages.
    pub server_streams: bool,
    /// Its `google.api.http` option.
    pub http: Option<HttpRule>,
}

impl Pool {
    /// The types of a `FileDescriptorSet`; what is wrong with it.
    pub fn read(file_descriptor_set: &[u8]) -> Result<Self, String> {
        read::pool(file_descriptor_set)
    }

    /// The same, and the types that statuses of calls are told in, where they are not among them.
    pub fn read_with_status(file_descriptor_set: &[u8]) -> Result<Self, String> {
        let pool = Pool::read(file_descriptor_set)?;
        let mut set = Vec::new();
        if pool.find("google.protobuf.Any").is_none() {
            builtin::any(&mut set);
        }
        if pool.find("google.rpc.Status").is_some() {
            return Ok(pool);
        }
        builtin::status(&mut set);
        set.extend_from_slice(file_descriptor_set);
        Pool::read(&set)
    }

    /// A message's type.
    pub fn message(&self, id: MessageId) -> &Message {
        self.messages.get(id.0).unwrap_or(&NOTHING)
    }

    /// An enum's type.
    pub fn enumeration(&self, id: EnumId) -> &Enum {
        self.enums.get(id.0).unwrap_or(&NO_VALUES)
    }

    /// A message's type by its full name.
    pub fn find(&self, name: &str) -> Option<MessageId> {
        self.by_name.get(name).copied()
    }

    /// A service by its full name.
    pub fn service(&self, name: &str) -> Option<&Service> {
        self.services.iter().find(|service| *service.name == *name)
    }
}

static NOTHING: std::sync::LazyLock<Message> = std::sync::LazyLock::new(Message::default);
static NO_VALUES: std::sync::LazyLock<Enum> = std::sync::LazyLock::new(Enum::default);

impl Message {
    /// A field by its number.
    pub fn field(&self, number: u32) -> Option<&Field> {
        self.fields.get(*self.by_number.get(&number)?)
    }

    /// A field by the name in the file or in JSON.
    pub fn field_named(&self, name: &str) -> Option<&Field> {
        self.fields.get(*self.by_name.get(name)?)
    }

    /// A field by the name in the file alone.
    pub fn field_in_file(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| *field.name == *name)
    }
}

impl Enum {
    /// The name of a number; of several the first.
    pub fn name_of(&self, number: i32) -> Option<&str> {
        let found = self.values.iter().find(|(_, value)| *value == number);
        found.map(|(name, _)| &**name)
    }

    /// The number of a name.
    pub fn number_of(&self, name: &str) -> Option<i32> {
        let found = self.values.iter().find(|(known, _)| **known == *name);
        found.map(|(_, number)| *number)
    }

    /// The number of a name in capitals, with `_` where it has `-`.
    pub fn number_of_any_case(&self, name: &str) -> Option<i32> {
        self.number_of(&name.to_ascii_uppercase().replace('-', "_"))
    }
}
