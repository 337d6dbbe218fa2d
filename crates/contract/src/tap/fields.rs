//! A message to be written, as a tree of fields in the order of their numbers.

use std::time::SystemTime;

/// A message.
pub type Message = Vec<Field>;

/// A field of a message.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Its number.
    pub number: u32,
    /// What it has.
    pub value: Value,
    /// Whether it is there even with its default: a member of a `oneof`.
    is_chosen: bool,
}

/// What a field has.
#[derive(Clone, Debug)]
pub enum Value {
    /// A number of 32 bits.
    Small(u32),
    /// A number of 64 bits.
    Large(u64),
    /// Yes or no.
    Flag(bool),
    /// Of an enumeration.
    Name(&'static str, u32),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A time.
    Time(SystemTime),
    /// A message.
    Message(Message),
    /// Several messages.
    List(Vec<Message>),
}

impl Field {
    /// One that is left out where it has its default.
    pub fn new(name: &'static str, number: u32, value: Value) -> Self {
        Self {
            name,
            number,
            value,
            is_chosen: false,
        }
    }

    /// A member of a `oneof`.
    pub fn chosen(name: &'static str, number: u32, value: Value) -> Self {
        Self {
            is_chosen: true,
            ..Self::new(name, number, value)
        }
    }

    /// Whether it is there for formats that leave out what has its default.
    pub(super) fn is_written(&self) -> bool {
        self.is_chosen
            || match &self.value {
                Value::Small(number) | Value::Name(_, number) => *number != 0,
                Value::Large(number) => *number != 0,
                Value::Flag(flag) => *flag,
                Value::Text(text) => !text.is_empty(),
                Value::Bytes(bytes) => !bytes.is_empty(),
                Value::Time(_) | Value::Message(_) => true,
                Value::List(list) => !list.is_empty(),
            }
    }
}

/// Seconds since 1970 and nanoseconds, in whole microseconds as Envoy's clock has them.
pub(super) fn time_parts(time: SystemTime) -> (u64, u32) {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    let since = since.unwrap_or_default();
    (since.as_secs(), since.subsec_micros() * 1000)
}
