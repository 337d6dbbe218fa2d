//! The messages of the matching API.

use nuncio_config::typed::{Any, Spanned};
use nuncio_config::{message, one_of};

use crate::matching::{CidrRange, RuntimeFractionalPercent, ValueMatcher};

message! {
    /// A tree.
    pub struct MatcherMessage: "xds.type.matcher.v3.Matcher" {
        pub(crate) oneof matcher_type: Option<MatcherType>,
        pub(crate) on_no_match: Option<Box<OnMatchMessage>>,
    }
}

one_of! {
    /// Its kinds.
    pub enum MatcherType {
        matcher_list => List(MatcherList),
        matcher_tree => Tree(MatcherTree),
    }
}

message! {
    /// What follows.
    pub struct OnMatchMessage: "xds.type.matcher.v3.Matcher.OnMatch" {
        pub(crate) oneof on_match: OnMatchKind,
        pub(crate) keep_matching: bool,
    }
}

one_of! {
    /// Its kinds.
    pub enum OnMatchKind {
        matcher => Matcher(Box<MatcherMessage>),
        action => Action(Extension),
    }
}

message! {
    /// Predicates in order.
    pub struct MatcherList: "xds.type.matcher.v3.Matcher.MatcherList" {
        pub(crate) matchers: Vec<FieldMatcher>,
    }
}

message! {
    /// A predicate and what follows.
    pub struct FieldMatcher: "xds.type.matcher.v3.Matcher.MatcherList.FieldMatcher" {
        pub(crate) predicate: PredicateMessage,
        pub(crate) on_match: OnMatchMessage,
    }
}

message! {
    /// A predicate.
    pub struct PredicateMessage: "xds.type.matcher.v3.Matcher.MatcherList.Predicate" {
        pub(crate) oneof match_type: PredicateKind,
    }
}

one_of! {
    /// Its kinds.
    pub enum PredicateKind {
        single_predicate => Single(SinglePredicate),
        or_matcher => Or(PredicateList),
        and_matcher => And(PredicateList),
        not_matcher => Not(Box<PredicateMessage>),
    }
}

message! {
    /// Several predicates.
    pub struct PredicateList: "xds.type.matcher.v3.Matcher.MatcherList.Predicate.PredicateList" {
        pub(crate) predicate: Vec<PredicateMessage>,
    }
}

message! {
    /// An input and what it has to be like.
    pub struct SinglePredicate: "xds.type.matcher.v3.Matcher.MatcherList.Predicate.SinglePredicate" {
        pub(crate) input: Extension,
        pub(crate) oneof matcher: SingleKind,
    }
}

one_of! {
    /// Its kinds.
    pub enum SingleKind {
        value_match => Value(XdsStringMatcher),
        custom_match => Custom(Extension),
    }
}

message! {
    /// A map or another structure.
    pub struct MatcherTree: "xds.type.matcher.v3.Matcher.MatcherTree" {
        pub(crate) input: Extension,
        pub(crate) oneof tree_type: TreeKind,
    }
}

one_of! {
    /// Its kinds.
    pub enum TreeKind {
        exact_match_map => Exact(MatchMap),
        prefix_match_map => Prefix(MatchMap),
        custom_match => Custom(Extension),
    }
}

message! {
    /// What follows by text.
    pub struct MatchMap: "xds.type.matcher.v3.Matcher.MatcherTree.MatchMap" {
        pub(crate) map: Vec<(String, OnMatchMessage)>,
    }
}

message! {
    /// An extension.
    pub struct Extension: "xds.core.v3.TypedExtensionConfig" {
        /// Its label.
        pub name: String,
        /// Which it is, and its configuration.
        pub typed_config: Any,
    }
}

message! {
    /// How a string is matched.
    pub struct XdsStringMatcher: "xds.type.matcher.v3.StringMatcher" {
        pub(crate) oneof match_pattern: XdsPattern,
        pub(crate) ignore_case: bool,
    }
}

one_of! {
    /// The kinds of match.
    pub enum XdsPattern {
        exact => Exact(String),
        prefix => Prefix(String),
        suffix => Suffix(String),
        safe_regex => SafeRegex(XdsRegexMatcher),
        contains => Contains(String),
    }
}

message! {
    /// A regular expression.
    pub struct XdsRegexMatcher: "xds.type.matcher.v3.RegexMatcher" {
        checked google_re2: Option<XdsGoogleRe2> = "RE2 is the only engine, so that there is nothing to choose",
        pub(crate) regex: Spanned<String>,
    }
}

message! {
    /// The engine's marker.
    pub struct XdsGoogleRe2: "xds.type.matcher.v3.RegexMatcher.GoogleRE2" {}
}

message! {
    /// What follows by range of addresses.
    pub struct IpMatcher: "xds.type.matcher.v3.IPMatcher" {
        pub(crate) range_matchers: Vec<IpRangeMatcher>,
    }
}

message! {
    /// Some ranges and what follows.
    pub struct IpRangeMatcher: "xds.type.matcher.v3.IPMatcher.IPRangeMatcher" {
        pub(crate) ranges: Vec<XdsCidrRange>,
        pub(crate) on_match: OnMatchMessage,
        pub(crate) exclusive: bool,
    }
}

message! {
    /// A range of addresses.
    pub struct XdsCidrRange: "xds.core.v3.CidrRange" {
        pub(crate) address_prefix: Spanned<String>,
        pub(crate) prefix_len: Option<u32>,
    }
}

message! {
    /// What follows by domain.
    pub struct ServerNameMatcher: "xds.type.matcher.v3.ServerNameMatcher" {
        pub(crate) domain_matchers: Vec<DomainMatcher>,
    }
}

message! {
    /// Some domains and what follows.
    pub struct DomainMatcher: "xds.type.matcher.v3.ServerNameMatcher.DomainMatcher" {
        pub(crate) domains: Vec<Spanned<String>>,
        pub(crate) on_match: OnMatchMessage,
    }
}

message! {
    /// Most texts of a threshold by their hashes.
    pub struct ConsistentHashing: "envoy.extensions.matching.input_matchers.consistent_hashing.v3.ConsistentHashing" {
        pub(crate) threshold: u32,
        pub(crate) modulo: u32,
        pub(crate) seed: u64,
    }
}

message! {
    /// A fraction of all texts, by their hashes.
    pub struct RuntimeFraction: "envoy.extensions.matching.input_matchers.runtime_fraction.v3.RuntimeFraction" {
        pub(crate) runtime_fraction: RuntimeFractionalPercent,
        pub(crate) seed: u64,
    }
}

message! {
    /// What a value of metadata has to be like.
    pub struct MetadataMatcher: "envoy.extensions.matching.input_matchers.metadata.v3.Metadata" {
        pub(crate) value: ValueMatcher,
        pub(crate) invert: bool,
    }
}

message! {
    /// The text is an address of one of these ranges.
    pub struct IpTextMatcher: "envoy.extensions.matching.input_matchers.ip.v3.Ip" {
        pub(crate) cidr_ranges: Vec<CidrRange>,
        inert stat_prefix = "its counter of texts that are no addresses is not there";
    }
}
