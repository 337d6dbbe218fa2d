//! The bootstrap's `stats_config`: which stats there are, which tags their names lose, and which buckets
//! histograms are shown with.

mod buckets;
mod selection;
mod tags;

use nuncio_config::typed::{Ctx, Refused};
use nuncio_config::{message, one_of};

use crate::matching::StringMatcher;

pub use buckets::HistogramBuckets;
pub use selection::Selection;

use super::tags::TagExtractor;

message! {
    /// How stats are named, chosen and shown.
    pub struct StatsConfig: "envoy.config.metrics.v3.StatsConfig" {
        pub(super) stats_tags: Vec<TagSpecifier>,
        pub(super) use_all_default_tags: Option<bool>,
        pub(super) allow_default_tag_overrides: Option<bool>,
        pub(super) stats_matcher: Option<StatsMatcher>,
        pub(super) histogram_bucket_settings: Vec<HistogramBucketSettings>,
    }
}

message! {
    /// A tag of names.
    pub struct TagSpecifier: "envoy.config.metrics.v3.TagSpecifier" {
        pub(super) tag_name: nuncio_config::typed::Spanned<String>,
        pub(super) oneof tag_value: Option<TagValue>,
    }
}

one_of! {
    /// Where a tag's value comes from; out of Envoy's own rules where nothing is said.
    pub enum TagValue {
        regex => Regex(nuncio_config::typed::Spanned<String>),
        fixed_value => FixedValue(String),
    }
}

message! {
    /// Which stats there are.
    pub struct StatsMatcher: "envoy.config.metrics.v3.StatsMatcher" {
        pub(super) oneof stats_matcher: MatcherKind,
    }
}

one_of! {
    /// The ways to choose.
    pub enum MatcherKind {
        reject_all => RejectAll(bool),
        exclusion_list => ExclusionList(ListStringMatcher),
        inclusion_list => InclusionList(ListStringMatcher),
    }
}

message! {
    /// Any of several matchers.
    pub struct ListStringMatcher: "envoy.type.matcher.v3.ListStringMatcher" {
        pub(super) patterns: Vec<StringMatcher>,
    }
}

message! {
    /// Which histograms have which buckets.
    pub struct HistogramBucketSettings: "envoy.config.metrics.v3.HistogramBucketSettings" {
        pub(super) r#match: StringMatcher,
        pub(super) buckets: Vec<f64>,
        inert bins = "a histogram takes memory for the bins that values fall into, as they come";
    }
}

/// A `stats_config`, compiled.
#[derive(Clone, Debug, Default)]
pub struct StatsSettings {
    /// Which stats there are.
    pub selection: Selection,
    /// What names lose.
    pub tags: TagExtractor,
    /// What histograms are shown with.
    pub buckets: HistogramBuckets,
}

impl StatsSettings {
    /// Compiles; `fixed_tags` are those of the command line, which every stat gets.
    pub fn compile(
        config: Option<&StatsConfig>,
        fixed_tags: &[(String, String)],
        ctx: &mut Ctx,
    ) -> Result<Self, Refused> {
        let Some(config) = config else {
            return Ok(Self {
                tags: TagExtractor::new(fixed_tags.to_vec()),
                ..Self::default()
            });
        };
        let tags = tags::compile(config, fixed_tags, ctx);
        let selection = Selection::compile(config.stats_matcher.as_ref(), ctx);
        let buckets = HistogramBuckets::compile(&config.histogram_bucket_settings, ctx);
        Ok(Self {
            selection: selection?,
            tags: tags?,
            buckets: buckets?,
        })
    }
}
