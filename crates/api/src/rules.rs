//! Validation rules (protoc-gen-validate) as typed views.
//!
//! A rule that is not set is `None`, `false` or an empty list, as in the definition.

mod views;

use std::fmt;
use std::marker::PhantomData;

use crate::generated::layout::{LISTS, RULES};
use crate::tables;

pub use views::{
    AnyRules, BytesRules, DurationRules, EnumRules, MapRules, NumberRules, RepeatedRules,
    StringRules, TimestampRules,
};

/// The rules of a field, of a list's elements or of a map's keys or values.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rules(pub(crate) u32);

/// The rules of a kind of value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RuleSet {
    /// Numbers of every width.
    Number(NumberRules),
    /// A flag that must have this value.
    Bool(bool),
    /// Text.
    String(StringRules),
    /// Bytes.
    Bytes(BytesRules),
    /// Enum values.
    Enum(EnumRules),
    /// Lists.
    Repeated(RepeatedRules),
    /// Maps.
    Map(MapRules),
    /// `google.protobuf.Any`.
    Any(AnyRules),
    /// `google.protobuf.Duration`.
    Duration(DurationRules),
    /// `google.protobuf.Timestamp`.
    Timestamp(TimestampRules),
}

/// A number in a rule, in the widest form of its type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// Of `float` and `double`.
    Float(f64),
    /// Of the signed types.
    Signed(i64),
    /// Of the unsigned types.
    Unsigned(u64),
}

/// A form that text must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WellKnown {
    /// An e-mail address.
    Email,
    /// A host name.
    Hostname,
    /// An IP address.
    Ip,
    /// An IPv4 address.
    Ipv4,
    /// An IPv6 address.
    Ipv6,
    /// An absolute URI.
    Uri,
    /// A URI or a relative reference.
    UriRef,
    /// A host name or an IP address.
    Address,
    /// A UUID.
    Uuid,
    /// The name of an HTTP header.
    HttpHeaderName,
    /// The value of an HTTP header.
    HttpHeaderValue,
}

/// A span of time or a point in it: seconds and nanoseconds.
type Time = (i64, i32);

impl Rules {
    /// Rules for the message as a whole.
    pub fn message(self) -> MessageRules {
        let flags = RULES.word(self.0, 0) >> 8;
        MessageRules {
            skip: flags & 1 != 0,
            required: flags & 2 != 0,
        }
    }

    /// The rules for the value, if there are any beside [`Rules::message`].
    pub fn set(self) -> Option<RuleSet> {
        let set = match self.kind() {
            0 => return None,
            1..=12 => RuleSet::Number(NumberRules(self)),
            13 => RuleSet::Bool(self.find(1)? != 0),
            14 => RuleSet::String(StringRules(self)),
            15 => RuleSet::Bytes(BytesRules(self)),
            16 => RuleSet::Enum(EnumRules(self)),
            18 => RuleSet::Repeated(RepeatedRules(self)),
            19 => RuleSet::Map(MapRules(self)),
            20 => RuleSet::Any(AnyRules(self)),
            21 => RuleSet::Duration(DurationRules(self)),
            _ => RuleSet::Timestamp(TimestampRules(self)),
        };
        Some(set)
    }

    fn kind(self) -> u32 {
        RULES.word(self.0, 0) & 0xff
    }

    /// The operand of the rule with this number in its PGV message.
    fn find(self, rule: u32) -> Option<u32> {
        let count = RULES.word(self.0 + 1, 0);
        let words = (0..count).map(|index| RULES.word(self.0 + 2 + index, 0));
        let mut found = words.filter(|word| word >> 24 == rule);
        found.next().map(|word| word & 0x00ff_ffff)
    }

    fn flag(self, rule: u32) -> bool {
        self.find(rule).is_some_and(|operand| operand != 0)
    }

    fn count(self, rule: u32) -> Option<u64> {
        self.find(rule).map(tables::number)
    }

    fn text(self, rule: u32) -> Option<&'static str> {
        self.find(rule).map(tables::string)
    }

    fn time(self, rule: u32) -> Option<Time> {
        self.find(rule).map(Time::from_operand)
    }

    fn number(self, rule: u32) -> Option<Number> {
        self.find(rule).map(|operand| self.number_at(operand))
    }

    fn number_at(self, operand: u32) -> Number {
        let bits = tables::number(operand);
        match self.kind() {
            1 | 2 => Number::Float(f64::from_bits(bits)),
            3 | 4 | 7 | 8 | 11 | 12 => Number::Signed(bits as i64),
            _ => Number::Unsigned(bits),
        }
    }

    fn nested(self, rule: u32) -> Option<Rules> {
        self.find(rule).map(Rules)
    }

    fn list<T: Element>(self, rule: u32) -> List<T> {
        List {
            offset: self.find(rule),
            element: PhantomData,
        }
    }

    fn numbers(self, rule: u32) -> impl ExactSizeIterator<Item = Number> + Clone {
        self.list::<u32>(rule)
            .iter()
            .map(move |operand| self.number_at(operand))
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A view inside `set` would print its rules again, without end.
        write!(formatter, "Rules@{}", self.0)
    }
}

/// What a [`List`] can hold.
pub trait Element: Copy {
    #[doc(hidden)]
    fn from_operand(operand: u32) -> Self;
}

impl Element for u32 {
    fn from_operand(operand: u32) -> u32 {
        operand
    }
}

impl Element for i32 {
    fn from_operand(operand: u32) -> i32 {
        tables::number(operand) as i32
    }
}

impl Element for &'static str {
    fn from_operand(operand: u32) -> &'static str {
        tables::string(operand)
    }
}

impl Element for Time {
    fn from_operand(operand: u32) -> Time {
        (
            tables::number(operand) as i64,
            tables::number(operand + 1) as i32,
        )
    }
}

/// The values of an `in` or `not_in` rule; empty where the rule is not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct List<T> {
    offset: Option<u32>,
    element: PhantomData<T>,
}

impl<T: Element> List<T> {
    /// The values.
    pub fn iter(self) -> impl ExactSizeIterator<Item = T> + Clone {
        let offset = self.offset.unwrap_or(0);
        let count = self.offset.map_or(0, |offset| LISTS.word(offset, 0));
        (0..count).map(move |index| T::from_operand(LISTS.word(offset + 1 + index, 0)))
    }

    /// Whether the rule is not set.
    pub fn is_empty(self) -> bool {
        self.offset.is_none()
    }
}

/// Rules for a message as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageRules {
    /// The rules inside the message are not checked.
    pub skip: bool,
    /// The message must be set.
    pub required: bool,
}

#[cfg(test)]
mod tests;
