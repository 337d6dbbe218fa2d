//! `envoy.type.matcher.v3.ValueMatcher`, compiled: what a metadata value has to be like.

use nuncio_config::typed::{Ctx, Refused};
use nuncio_config::{message, one_of};

use super::{CompiledStringMatcher, StringMatcher};
use crate::stream_info::metadata::Value;

message! {
    /// A matcher of a value.
    pub struct ValueMatcher: "envoy.type.matcher.v3.ValueMatcher" {
        pub(crate) oneof match_pattern: ValuePattern,
    }
}

one_of! {
    /// The kinds of matcher.
    pub enum ValuePattern {
        null_match => Null(()),
        double_match => Double(DoubleMatcher),
        string_match => String(StringMatcher),
        bool_match => Bool(bool),
        present_match => Present(bool),
        list_match => List(Box<ListMatcher>),
        or_match => Or(OrMatcher),
    }
}

message! {
    /// A number, or a half-open range of them.
    pub struct DoubleMatcher: "envoy.type.matcher.v3.DoubleMatcher" {
        pub(crate) oneof match_pattern: DoublePattern,
    }
}

one_of! {
    /// The kinds of number matcher.
    pub enum DoublePattern {
        range => Range(DoubleRange),
        exact => Exact(f64),
    }
}

message! {
    /// `start <= x < end`.
    pub struct DoubleRange: "envoy.type.v3.DoubleRange" {
        pub(crate) start: f64,
        pub(crate) end: f64,
    }
}

message! {
    /// A list with an element that matches.
    pub struct ListMatcher: "envoy.type.matcher.v3.ListMatcher" {
        pub(crate) oneof match_pattern: ListPattern,
    }
}

one_of! {
    /// The kinds of list matcher.
    pub enum ListPattern {
        one_of => OneOf(ValueMatcher),
    }
}

message! {
    /// Any of some matchers.
    pub struct OrMatcher: "envoy.type.matcher.v3.OrMatcher" {
        pub(crate) value_matchers: Vec<ValueMatcher>,
    }
}

/// A compiled value matcher.
#[derive(Clone, Debug)]
pub enum CompiledValueMatcher {
    /// `null`.
    Null,
    /// This number.
    Number(f64),
    /// `start <= x < end`.
    Range {
        /// The least one.
        start: f64,
        /// The first one beyond.
        end: f64,
    },
    /// A text that matches.
    String(CompiledStringMatcher),
    /// This one of the two.
    Bool(bool),
    /// Anything, or with `false` nothing.
    Present(bool),
    /// A list with such an element.
    Element(Box<CompiledValueMatcher>),
    /// What one of these takes.
    Any(Box<[CompiledValueMatcher]>),
}

impl CompiledValueMatcher {
    /// Compiles; a bad regex is reported at its place.
    pub fn compile(matcher: &ValueMatcher, ctx: &mut Ctx) -> Result<Self, Refused> {
        Ok(match &matcher.match_pattern {
            ValuePattern::Null(()) => Self::Null,
            ValuePattern::Double(matcher) => match &matcher.match_pattern {
                DoublePattern::Exact(number) => Self::Number(*number),
                DoublePattern::Range(range) => Self::Range {
                    start: range.start,
                    end: range.end,
                },
            },
            ValuePattern::String(matcher) => {
                Self::String(CompiledStringMatcher::compile(matcher, ctx)?)
            }
            ValuePattern::Bool(wanted) => Self::Bool(*wanted),
            ValuePattern::Present(wanted) => Self::Present(*wanted),
            ValuePattern::List(matcher) => match &matcher.match_pattern {
                ListPattern::OneOf(element) => {
                    Self::Element(Box::new(Self::compile(element, ctx)?))
                }
            },
            ValuePattern::Or(any) => {
                let matchers = any
                    .value_matchers
                    .iter()
                    .map(|matcher| Self::compile(matcher, ctx));
                Self::Any(matchers.collect::<Result<_, _>>()?)
            }
        })
    }

    /// Whether a value that is there matches.
    pub fn matches(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Null, Value::Null) => true,
            (Self::Number(wanted), Value::Number(number)) => wanted == number,
            (Self::Range { start, end }, Value::Number(number)) => start <= number && number < end,
            (Self::String(matcher), Value::String(text)) => matcher.matches(text.as_bytes()),
            (Self::Bool(wanted), Value::Bool(value)) => wanted == value,
            (Self::Present(wanted), _) => *wanted,
            (Self::Element(matcher), Value::List(values)) => {
                values.iter().any(|value| matcher.matches(value))
            }
            (Self::Any(matchers), value) => matchers.iter().any(|matcher| matcher.matches(value)),
            _ => false,
        }
    }
}
