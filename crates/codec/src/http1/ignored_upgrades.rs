//! Upgrades that are taken out of messages as if nobody had asked for them (`ignore_http_11_upgrade`).
//!
//! `Upgrade` may list several: those that match go, and where none is left the message asks for no upgrade. As in Envoy
//! only messages are looked at whose `Connection` says `upgrade`.

use std::sync::Arc;

use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::matching::CompiledStringMatcher;

use super::connection::tokens;

/// What the names of ignored upgrades are like.
#[derive(Clone, Debug, Default)]
pub struct IgnoredUpgrades(Option<Arc<[CompiledStringMatcher]>>);

impl IgnoredUpgrades {
    /// Those that any of `matchers` matches.
    pub fn matching(matchers: Vec<CompiledStringMatcher>) -> Self {
        Self((!matchers.is_empty()).then(|| matchers.into()))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Takes them out of `Upgrade`; whether nothing is left of it.
    #[cold]
    pub(super) fn take_out(&self, headers: &mut HeaderMap) -> bool {
        let (Some(matchers), Some(list)) = (&self.0, headers.get(Known::Upgrade)) else {
            return false;
        };
        let is_kept = |name: &&[u8]| !matchers.iter().any(|matcher| matcher.matches(name));
        let count = tokens(list).count();
        let kept: Vec<&[u8]> = tokens(list).filter(is_kept).collect();
        if kept.len() == count {
            return false;
        }
        let left = kept.join(&b","[..]);
        match left.is_empty() {
            true => headers.remove(Known::Upgrade),
            false => {
                headers.set(Known::Upgrade, &left);
                0
            }
        };
        left.is_empty()
    }
}

impl PartialEq for IgnoredUpgrades {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (None, None) => true,
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

impl Eq for IgnoredUpgrades {}
