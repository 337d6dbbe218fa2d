//! `envoy.type.matcher.v3.FilterStateMatcher`, compiled: an object of the filter state by its name, and what it has to
//! be like as text or as an address. An object that is not there never matches.

use nuncio_config::typed::{Ctx, Refused};
use nuncio_config::{message, one_of};

use super::address_ranges::{AddressRanges, WrittenRange as _, XdsCidrRange};
use super::string::{CompiledStringMatcher, StringMatcher};
use crate::stream_info::{Address, StreamInfo};

message! {
    /// An object of the filter state.
    pub struct FilterStateMatcher: "envoy.type.matcher.v3.FilterStateMatcher" {
        pub(crate) key: String,
        pub(crate) oneof matcher: FilterStateKind,
    }
}

one_of! {
    /// What the object has to be like.
    pub enum FilterStateKind {
        string_match => Text(StringMatcher),
        address_match => Address(AddressMatcher),
    }
}

message! {
    /// An address of some ranges.
    pub struct AddressMatcher: "envoy.type.matcher.v3.AddressMatcher" {
        pub(crate) ranges: Vec<XdsCidrRange>,
        pub(crate) invert_match: bool,
    }
}

/// A compiled filter state matcher.
#[derive(Clone, Debug)]
pub struct CompiledFilterStateMatcher {
    key: Box<str>,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Text(CompiledStringMatcher),
    Address(CompiledAddressMatcher),
}

/// A compiled address matcher.
#[derive(Clone, Debug)]
pub struct CompiledAddressMatcher {
    ranges: AddressRanges,
    invert: bool,
}

impl CompiledAddressMatcher {
    /// Compiles; a bad range is reported at its place.
    pub fn compile(message: &AddressMatcher, ctx: &mut Ctx) -> Result<Self, Refused> {
        let say = |range: &XdsCidrRange| {
            let (address, bits) = (&range.address().value, range.prefix_bits());
            format!("invalid ip/mask combo '{address}/{bits}' (format is <ip>/<# mask bits>)")
        };
        Ok(CompiledAddressMatcher {
            ranges: AddressRanges::compile_or_say(&message.ranges, say, ctx)?,
            invert: message.invert_match,
        })
    }

    /// Whether the address is as wanted; what is no IP address is in no range.
    pub fn matches(&self, address: &Address) -> bool {
        address.ip().is_some_and(|ip| self.ranges.contains(ip)) != self.invert
    }
}

impl CompiledFilterStateMatcher {
    /// Compiles; a bad expression or range is reported at its place.
    pub fn compile(message: &FilterStateMatcher, ctx: &mut Ctx) -> Result<Self, Refused> {
        let kind = match &message.matcher {
            FilterStateKind::Text(text) => Kind::Text(CompiledStringMatcher::compile(text, ctx)?),
            FilterStateKind::Address(address) => {
                Kind::Address(CompiledAddressMatcher::compile(address, ctx)?)
            }
        };
        Ok(CompiledFilterStateMatcher {
            key: message.key.as_str().into(),
            kind,
        })
    }

    /// Whether the stream's object is as wanted.
    pub fn matches(&self, info: &StreamInfo) -> bool {
        match &self.kind {
            Kind::Text(matcher) => {
                let object = info.object(&self.key);
                let text = object.and_then(|object| object.serialize_as_string());
                text.is_some_and(|text| matcher.matches(text.as_bytes()))
            }
            Kind::Address(matcher) => {
                let address = info.object_as::<Address>(&self.key);
                address.is_some_and(|address| matcher.matches(address))
            }
        }
    }
}
