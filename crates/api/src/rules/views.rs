//! The typed views of [`super::Rules`], one for each kind of value.

use super::{Element, List, Number, Rules, Time, WellKnown};

/// Declares a view: each line is a PGV rule, its number, and how its operand is read.
macro_rules! view {
    ($(#[$doc:meta])* $view:ident { $($(#[$rule_doc:meta])* $name:ident = $number:literal: $read:ident -> $type:ty;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $view(pub(super) Rules);

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
        exact_len = 19: count -> Option<u64>;
        /// At least so many characters.
        min_len = 2: count -> Option<u64>;
        /// At most so many characters.
        max_len = 3: count -> Option<u64>;
        /// Exactly so many bytes.
        exact_bytes = 20: count -> Option<u64>;
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
        exact_len = 13: count -> Option<u64>;
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
