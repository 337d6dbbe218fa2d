//! Enums and their values.

use std::fmt;

use crate::generated::layout::{ENUM_VALUES, ENUMS};
use crate::tables;

/// An enum type.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Enum(pub(crate) u16);

/// A value of an enum.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct EnumValue(u16);

/// The enum with this full name, such as `envoy.config.cluster.v3.Cluster.LbPolicy`.
pub fn enumeration(full_name: &str) -> Option<Enum> {
    let name_of = |row| tables::string(ENUMS.word(row, 0));
    tables::find_sorted(ENUMS.rows(), full_name, name_of).map(|row| Enum(row as u16))
}

impl Enum {
    fn word(self, column: usize) -> u32 {
        ENUMS.word(u32::from(self.0), column)
    }

    /// The name with its package.
    pub fn full_name(self) -> &'static str {
        tables::string(self.word(0))
    }

    /// The values in the order of their declaration; the first is the default.
    pub fn values(self) -> impl ExactSizeIterator<Item = EnumValue> + Clone {
        let first = self.word(1) as u16;
        (first..first + self.word(2) as u16).map(EnumValue)
    }

    /// The value with this name. Names are upper-case.
    pub fn by_name(self, name: &str) -> Option<EnumValue> {
        self.values().find(|value| value.name() == name)
    }

    /// The first value with this number.
    pub fn by_number(self, number: i32) -> Option<EnumValue> {
        self.values().find(|value| value.number() == number)
    }
}

impl EnumValue {
    fn word(self, column: usize) -> u32 {
        ENUM_VALUES.word(u32::from(self.0), column)
    }

    /// The name, such as `ROUND_ROBIN`.
    pub fn name(self) -> &'static str {
        tables::string(self.word(0))
    }

    /// The number.
    pub fn number(self) -> i32 {
        self.word(1) as i32
    }

    /// Whether the value is marked as deprecated.
    pub fn deprecated(self) -> bool {
        self.word(2) & 1 != 0
    }

    /// Whether using the value is an error unless a runtime guard allows it.
    pub fn disallowed_by_default(self) -> bool {
        self.word(2) & 2 != 0
    }

    /// The API's version that deprecated the value, such as `3.0`.
    pub fn deprecated_at_minor_version(self) -> Option<&'static str> {
        tables::optional_string(self.word(3))
    }

    /// The value's name in the next major version, where that is another.
    pub fn renamed(self) -> Option<&'static str> {
        tables::optional_string(self.word(4))
    }
}

impl fmt::Debug for Enum {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Enum({})", self.full_name())
    }
}

impl fmt::Debug for EnumValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "EnumValue({} = {})", self.name(), self.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_name_and_number() {
        let policy = enumeration("envoy.config.cluster.v3.Cluster.LbPolicy").expect("known");
        assert_eq!(policy.by_name("MAGLEV").map(EnumValue::number), Some(5));
        assert_eq!(policy.by_number(5).map(EnumValue::name), Some("MAGLEV"));
        assert_eq!(policy.by_name("maglev"), None);
        assert_eq!(policy.by_number(99), None);
    }

    #[test]
    fn the_first_value_is_the_default() {
        let first = enumeration("envoy.config.core.v3.SocketAddress.Protocol")
            .and_then(|it| it.values().next());
        assert_eq!(first.map(EnumValue::name), Some("TCP"));
    }

    #[test]
    fn deprecated_values_say_since_when() {
        let version = enumeration("envoy.config.core.v3.ApiVersion")
            .and_then(|it| it.by_name("V2"))
            .expect("known");
        assert!(version.deprecated());
        assert_eq!(version.deprecated_at_minor_version(), Some("3.0"));
    }
}
