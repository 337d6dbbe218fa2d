//! Validation rules (protoc-gen-validate) as typed views.
//!
//! A rule that is not set is `None`, `false` or an empty list, as in the definition.

use std::fmt;
use std::marker::PhantomData;

use crate::generated::layout::{LISTS, RULES};
use crate::tables;

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

/// Declares a view: each line is a PGV rule, its number, and how its operand is read.
macro_rules! view {
    ($(#[$doc:meta])* $view:ident { $($(#[$rule_doc:meta])* $name:ident = $number:literal: $read:ident -> $type:ty;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $view(Rules);

        impl $view {
            $(
                $(#[$rule_doc])*
                pub fn $name(self) -> $type {
                    self.0.$read($number)
                }
            )*
        }
    };
}

view! {
    /// Rules for numbers. With `gt > lt` (and alike) the range is what lies outside.
    NumberRules {
        /// The only value allowed.
        constant = 1: number -> Option<Number>;
        /// Less than.
        lt = 2: number -> Option<Number>;
        /// Less than or equal to.
        lte = 3: number -> Option<Number>;
        /// Greater than.
        gt = 4: number -> Option<Number>;
        /// Greater than or equal to.
        gte = 5: number -> Option<Number>;
        /// One of these; no values where the rule is not set.
        any_of = 6: numbers -> impl ExactSizeIterator<Item = Number> + Clone;
        /// None of these.
        none_of = 7: numbers -> impl ExactSizeIterator<Item = Number> + Clone;
        /// The other rules are for values other than the default.
        ignore_empty = 8: flag -> bool;
    }
}

view! {
    /// Rules for text. Lengths are in characters, those named so in bytes.
    StringRules {
        /// The only value allowed.
        constant = 1: text -> Option<&'static str>;
        /// Exactly so many characters.
        len = 19: count -> Option<u64>;
        /// At least so many characters.
        min_len = 2: count -> Option<u64>;
        /// At most so many characters.
        max_len = 3: count -> Option<u64>;
        /// Exactly so many bytes.
        len_bytes = 20: count -> Option<u64>;
        /// At least so many bytes.
        min_bytes = 4: count -> Option<u64>;
        /// At most so many bytes.
        max_bytes = 5: count -> Option<u64>;
        /// An RE2 pattern that must be found in the text.
        pattern = 6: text -> Option<&'static str>;
        /// How the text begins.
        prefix = 7: text -> Option<&'static str>;
        /// How the text ends.
        suffix = 8: text -> Option<&'static str>;
        /// What the text has somewhere.
        contains = 9: text -> Option<&'static str>;
        /// What the text has nowhere.
        not_contains = 23: text -> Option<&'static str>;
        /// One of these.
        any_of = 10: list -> List<&'static str>;
        /// None of these.
        none_of = 11: list -> List<&'static str>;
        /// The other rules are for values that are not empty.
        ignore_empty = 26: flag -> bool;
    }
}

impl StringRules {
    /// The form that the text must have.
    pub fn well_known(self) -> Option<WellKnown> {
        let forms = [
            (12, WellKnown::Email),
            (13, WellKnown::Hostname),
            (14, WellKnown::Ip),
            (15, WellKnown::Ipv4),
            (16, WellKnown::Ipv6),
            (17, WellKnown::Uri),
            (18, WellKnown::UriRef),
            (21, WellKnown::Address),
            (22, WellKnown::Uuid),
        ];
        let named = forms
            .into_iter()
            .find(|form| self.0.flag(form.0))
            .map(|form| form.1);
        named.or(match self.0.find(24)? {
            1 => Some(WellKnown::HttpHeaderName),
            2 => Some(WellKnown::HttpHeaderValue),
            _ => None,
        })
    }

    /// Whether header names and values are held to RFC 7230; if not, only NUL, CR and LF are refused.
    pub fn strict(self) -> bool {
        self.0.find(25) != Some(0)
    }
}

view! {
    /// Rules for bytes. The API's texts among them are UTF-8.
    BytesRules {
        /// The only value allowed.
        constant = 1: text -> Option<&'static str>;
        /// Exactly so many bytes.
        len = 13: count -> Option<u64>;
        /// At least so many bytes.
        min_len = 2: count -> Option<u64>;
        /// At most so many bytes.
        max_len = 3: count -> Option<u64>;
        /// An RE2 pattern that must be found in the bytes.
        pattern = 4: text -> Option<&'static str>;
        /// How the bytes begin.
        prefix = 5: text -> Option<&'static str>;
        /// How the bytes end.
        suffix = 6: text -> Option<&'static str>;
        /// What the bytes have somewhere.
        contains = 7: text -> Option<&'static str>;
        /// One of these.
        any_of = 8: list -> List<&'static str>;
        /// None of these.
        none_of = 9: list -> List<&'static str>;
        /// An IP address of 4 or 16 bytes.
        ip = 10: flag -> bool;
        /// An IPv4 address of 4 bytes.
        ipv4 = 11: flag -> bool;
        /// An IPv6 address of 16 bytes.
        ipv6 = 12: flag -> bool;
        /// The other rules are for values that are not empty.
        ignore_empty = 14: flag -> bool;
    }
}

impl EnumRules {
    /// The only value allowed.
    pub fn constant(self) -> Option<i32> {
        self.0.find(1).map(i32::from_operand)
    }
}

view! {
    /// Rules for enum values, by number.
    EnumRules {
        /// The value must have a name.
        defined_only = 2: flag -> bool;
        /// One of these.
        any_of = 3: list -> List<i32>;
        /// None of these.
        none_of = 4: list -> List<i32>;
    }
}

view! {
    /// Rules for lists.
    RepeatedRules {
        /// At least so many elements.
        min_items = 1: count -> Option<u64>;
        /// At most so many elements.
        max_items = 2: count -> Option<u64>;
        /// No element twice.
        unique = 3: flag -> bool;
        /// Rules for each element.
        items = 4: nested -> Option<Rules>;
        /// The other rules are for lists that are not empty.
        ignore_empty = 5: flag -> bool;
    }
}

view! {
    /// Rules for maps.
    MapRules {
        /// At least so many pairs.
        min_pairs = 1: count -> Option<u64>;
        /// At most so many pairs.
        max_pairs = 2: count -> Option<u64>;
        /// No value is unset.
        no_sparse = 3: flag -> bool;
        /// Rules for each key.
        keys = 4: nested -> Option<Rules>;
        /// Rules for each value.
        values = 5: nested -> Option<Rules>;
        /// The other rules are for maps that are not empty.
        ignore_empty = 6: flag -> bool;
    }
}

view! {
    /// Rules for `google.protobuf.Any`.
    AnyRules {
        /// It must be set.
        required = 1: flag -> bool;
        /// One of these type URLs.
        any_of = 2: list -> List<&'static str>;
        /// None of these type URLs.
        none_of = 3: list -> List<&'static str>;
    }
}

view! {
    /// Rules for durations, in seconds and nanoseconds.
    DurationRules {
        /// It must be set.
        required = 1: flag -> bool;
        /// The only value allowed.
        constant = 2: time -> Option<Time>;
        /// Less than.
        lt = 3: time -> Option<Time>;
        /// Less than or equal to.
        lte = 4: time -> Option<Time>;
        /// Greater than.
        gt = 5: time -> Option<Time>;
        /// Greater than or equal to.
        gte = 6: time -> Option<Time>;
        /// One of these.
        any_of = 7: list -> List<Time>;
        /// None of these.
        none_of = 8: list -> List<Time>;
    }
}

view! {
    /// Rules for timestamps, in seconds and nanoseconds since 1970.
    TimestampRules {
        /// It must be set.
        required = 1: flag -> bool;
        /// The only value allowed.
        constant = 2: time -> Option<Time>;
        /// Before.
        lt = 3: time -> Option<Time>;
        /// Before, or equal to.
        lte = 4: time -> Option<Time>;
        /// After.
        gt = 5: time -> Option<Time>;
        /// After, or equal to.
        gte = 6: time -> Option<Time>;
        /// In the past.
        lt_now = 7: flag -> bool;
        /// In the future.
        gt_now = 8: flag -> bool;
        /// So near to now.
        within = 9: time -> Option<Time>;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{message, messages};

    fn rules(message_name: &str, field: &str) -> Rules {
        let field = message(message_name)
            .and_then(|it| it.field(field))
            .expect("known");
        field.rules().expect("has rules")
    }

    #[test]
    fn a_port_is_at_most_65535() {
        let Some(RuleSet::Number(port)) =
            rules("envoy.config.core.v3.SocketAddress", "port_value").set()
        else {
            panic!("no number rules")
        };
        assert_eq!(port.lte(), Some(Number::Unsigned(65535)));
        assert_eq!(port.gte(), None);
        assert_eq!(port.any_of().len(), 0);
    }

    #[test]
    fn a_connect_timeout_is_above_zero() {
        let Some(RuleSet::Duration(timeout)) =
            rules("envoy.config.cluster.v3.Cluster", "connect_timeout").set()
        else {
            panic!("no duration rules")
        };
        assert_eq!(timeout.gt(), Some((0, 0)));
        assert!(!timeout.required());
    }

    #[test]
    fn a_cluster_name_is_not_empty() {
        let Some(RuleSet::String(name)) = rules("envoy.config.cluster.v3.Cluster", "name").set()
        else {
            panic!("no string rules")
        };
        assert_eq!(name.min_len(), Some(1));
        assert_eq!(name.well_known(), None);
        assert!(name.strict());
    }

    #[test]
    fn a_host_rewrite_is_a_header_value_but_not_strictly() {
        let set = rules("envoy.config.route.v3.RouteAction", "host_rewrite_literal").set();
        let Some(RuleSet::String(rewrite)) = set else {
            panic!("no string rules")
        };
        assert_eq!(rewrite.well_known(), Some(WellKnown::HttpHeaderValue));
        assert!(!rewrite.strict());
    }

    #[test]
    fn elements_of_a_list_have_rules() {
        let Some(RuleSet::Repeated(domains)) =
            rules("envoy.config.route.v3.VirtualHost", "domains").set()
        else {
            panic!("no list rules")
        };
        assert_eq!(domains.min_items(), Some(1));
        let Some(RuleSet::String(domain)) = domains.items().and_then(Rules::set) else {
            panic!("no items rules")
        };
        assert_eq!(domain.well_known(), Some(WellKnown::HttpHeaderValue));
    }

    #[test]
    fn a_required_message_says_so() {
        assert!(
            rules("envoy.config.route.v3.Route", "match")
                .message()
                .required
        );
        assert_eq!(rules("envoy.config.route.v3.Route", "match").set(), None);
    }

    #[test]
    fn enum_rules_name_numbers() {
        let Some(RuleSet::Enum(kind)) = rules("envoy.config.cluster.v3.Cluster", "type").set()
        else {
            panic!("no enum rules")
        };
        assert!(kind.defined_only());
        assert_eq!(kind.constant(), None);
    }

    #[test]
    fn every_rule_set_of_the_api_can_be_read() {
        let with_rules = messages()
            .flat_map(|it| it.fields())
            .filter_map(|field| field.rules());
        let read = with_rules.filter(|rules| {
            rules.set().is_some()
                || rules.message()
                    != MessageRules {
                        skip: false,
                        required: false,
                    }
        });
        assert!(read.count() > 1200);
    }
}
