//! Envoy's small matchers, compiled once: strings, regular expressions, headers and fractions.
//! Used by routes, access-log filters and HTTP filters alike.

mod fraction;
mod header;
mod re2;
mod regex;
mod string;
mod words;

pub use fraction::{Denominator, FractionalPercent, RuntimeFractionalPercent};
pub use header::{CompiledHeaderMatcher, HeaderMatcher};
pub use regex::{
    CompiledRegex, Groups, RegexFault, RegexMatchAndSubstitute, RegexMatcher, RegexRewrite,
    check_regex,
};
pub use string::{CompiledStringMatcher, StringMatcher};
pub use words::{plain, quoted};
