//! Envoy's small matchers, compiled once: strings, regular expressions, headers, addresses, metadata, URI templates
//! and fractions.
//! Used by routes, access-log filters and HTTP filters alike.

mod address_ranges;
mod filter_state;
mod fraction;
mod header;
mod metadata;
mod prefixes;
mod query;
mod re2;
mod regex;
mod regex_list;
mod string;
pub mod uri_template;
mod value;
mod words;

pub use address_ranges::{AddressRanges, CidrRange, WrittenRange, XdsCidrRange};
pub use filter_state::{
    AddressMatcher, CompiledAddressMatcher, CompiledFilterStateMatcher, FilterStateMatcher,
};
pub use fraction::{Denominator, FractionalPercent, RuntimeFeatureFlag, RuntimeFractionalPercent};
pub use header::{CompiledHeaderMatcher, HeaderMatcher, Int64Range};
pub use metadata::{CompiledMetadataMatcher, MetadataMatcher, PathSegment};
pub use prefixes::PrefixTable;
pub use query::{CompiledQueryParameterMatcher, QueryParameterMatcher};
pub(crate) use regex::text_regex;
pub use regex::{
    CompiledRegex, Groups, RegexFault, RegexMatchAndSubstitute, RegexMatcher, RegexRewrite,
    RegexSearch, check_regex,
};
pub use regex_list::RegexList;
pub use string::{CompiledStringMatcher, StringMatcher};
pub use value::{CompiledValueMatcher, ValueMatcher};
pub use words::{plain, quoted};
