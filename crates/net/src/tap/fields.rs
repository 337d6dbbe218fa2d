//! A message to be written, as a tree of fields in the order of their numbers.

use std::time::SystemTime;

/// A message.
pub(super) type Message = Vec<Field>;

/// A field of a message.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) number: u32,
    pub(super) value: Value,
    /// Whether it is there even with its default: a member of a `oneof`.
    is_chosen: bool,
}

/// What a field has.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Small(u32),
    Large(u64),
    Flag(bool),
    /// Of an enumeration.
    Name(&'static str, u32),
    Text(String),
    Bytes(Vec<u8>),
    Time(SystemTime),
    Message(Message),
    List(Vec<Message>),
}

impl Field {
    pub(super) fn new(name: &'static str, number: u32, value: Value) -> Self {
        Self {
            name,
            number,
            value,
            is_chosen: false,
        }
    }

    /// A member of a `oneof`.
    pub(super) fn chosen(name: &'static str, number: u32, value: Value) -> Self {
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
