//! The buckets that histograms are shown with: those of the first setting that matches the full name and
//! names any, else [`DEFAULT_BUCKETS`].

use std::sync::Arc;

use nuncio_config::typed::{Ctx, Refused};

use super::HistogramBucketSettings;
use crate::matching::CompiledStringMatcher;
use crate::stats::DEFAULT_BUCKETS;

/// Compiled `histogram_bucket_settings`.
#[derive(Clone, Debug, Default)]
pub struct HistogramBuckets(Vec<(CompiledStringMatcher, Arc<[f64]>)>);

impl HistogramBuckets {
    /// Compiles; settings without buckets say nothing.
    pub(super) fn compile(
        settings: &[HistogramBucketSettings],
        ctx: &mut Ctx,
    ) -> Result<Self, Refused> {
        let compiled = settings.iter().map(|setting| {
            let matcher = CompiledStringMatcher::compile(&setting.r#match, ctx)?;
            let mut bounds = setting.buckets.clone();
            bounds.sort_by(f64::total_cmp);
            Ok((matcher, bounds.into()))
        });
        let compiled: Vec<Result<(_, Arc<[f64]>), Refused>> = compiled.collect();
        let compiled = compiled.into_iter().collect::<Result<Vec<_>, _>>()?;
        let telling = compiled
            .into_iter()
            .filter(|(_, bounds)| !bounds.is_empty());
        Ok(Self(telling.collect()))
    }

    /// The upper bounds for the histogram of this full name, least first.
    pub fn of(&self, name: &str) -> &[f64] {
        let found = self
            .0
            .iter()
            .find(|(matcher, _)| matcher.matches(name.as_bytes()));
        found.map_or(&DEFAULT_BUCKETS, |(_, bounds)| bounds)
    }

    /// Whether all histograms have the default buckets, so that nobody need ask by name.
    pub fn is_default(&self) -> bool {
        self.0.is_empty()
    }
}
