//! `ignore_http_11_upgrade`, of clusters and of connection managers alike.

use nuncio_codec::http1::IgnoredUpgrades;
use nuncio_config::typed::{Ctx, Refused};
use nuncio_contract::matching::{CompiledStringMatcher, StringMatcher};

/// Compiles the matchers, any of which is enough.
///
/// # Errors
/// [`Refused`] if one of them cannot be used.
pub fn ignored_upgrades(
    matchers: &[StringMatcher],
    ctx: &mut Ctx,
) -> Result<IgnoredUpgrades, Refused> {
    let matchers: Vec<_> = matchers
        .iter()
        .map(|matcher| CompiledStringMatcher::compile(matcher, ctx))
        .collect();
    let matchers = matchers.into_iter().collect::<Result<_, _>>()?;
    Ok(IgnoredUpgrades::matching(matchers))
}
