//! CDS: the clusters of the process, but for the static ones.
//!
//! As in Envoy, each cluster of an update stands for itself: what cannot be used is rejected and told, the others run.
//! An update with a resource that breaks the rules of its message changes nothing.

use std::collections::HashSet;

use nuncio_config::resources::Response;

use super::delivery::Verdict;
use super::workshop::Bench;
use super::{CLUSTER, Discovery};
use crate::log;
use crate::resource::ClusterResource;

/// What an update is to do.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) put: Vec<ClusterResource>,
    pub(super) removed: Vec<String>,
    rejected: Vec<String>,
    /// How many rejected ones are new, and how many not.
    refused: (usize, usize),
    unmodified: usize,
}

impl Plan {
    /// Whether anything is another than before.
    pub(super) fn changes_something(&self) -> bool {
        !self.put.is_empty() || !self.removed.is_empty()
    }

    /// Says and counts what came of it.
    pub(super) fn tell(&self, discovery: &Discovery<'_>) -> Verdict {
        let (added, modified) = self.refused;
        let clusters = discovery.running.clusters.borrow();
        clusters.count_refused(added, modified);
        let text = format!(
            "cds: added/updated {} cluster(s) (skipped {} unmodified cluster(s)); removed {} cluster(s)",
            self.put.len(),
            self.unmodified,
            self.removed.len()
        );
        log::info("upstream", &text);
        match self.rejected.is_empty() {
            true => Ok(()),
            false => {
                let all = self.rejected.join(", ");
                Err(format!("Error adding/updating cluster(s) {all}"))
            }
        }
    }
}

/// The same for an update of clusters by name, which says nothing of others though it is of all there is.
pub(super) fn plan_of_named(
    discovery: &Discovery<'_>,
    bench: &mut Bench<'_>,
    response: &Response,
) -> Result<Plan, String> {
    let mut plan = plan(discovery, bench, response, 0)?;
    if response.removed.is_none() {
        plan.removed.clear();
    }
    Ok(plan)
}

/// Compares an update with what runs, and makes what is new. An update that leaves fewer clusters than `min_clusters`,
/// static ones not counted, is rejected whole.
pub(super) fn plan(
    discovery: &Discovery<'_>,
    bench: &mut Bench<'_>,
    response: &Response,
    min_clusters: usize,
) -> Result<Plan, String> {
    let messages = bench.unpack_all(response, CLUSTER)?;
    let name = |message: &nuncio_config::tree::Message| {
        let name = message.find(&["name"]).and_then(|name| name.as_str());
        name.unwrap_or_default().to_string()
    };
    let wanted: HashSet<String> = messages.iter().map(|message| name(message)).collect();
    let mut plan = Plan::default();
    let dynamic = discovery.running.clusters.borrow().dynamic_names();
    let goes = |name: &&String| match &response.removed {
        Some(removed) => removed.iter().any(|one| **one == ***name),
        None => !wanted.contains(*name),
    };
    plan.removed = dynamic.iter().filter(goes).cloned().collect();
    let comes = |name: &&String| !dynamic.contains(*name);
    let left = dynamic.len() - plan.removed.len() + wanted.iter().filter(comes).count();
    if left < min_clusters {
        return Err("CDS update attempts to reduce clusters below configured minimum.".into());
    }
    let text = format!(
        "cds: response indicates {} added/updated cluster(s), {} removed cluster(s); applying changes",
        messages.len(),
        plan.removed.len()
    );
    log::info("upstream", &text);
    let mut seen = HashSet::new();
    for (place, message) in messages.iter().enumerate() {
        bench.use_version(response.versions.get(place).map(AsRef::as_ref));
        let name = name(message);
        let is_there = discovery.running.clusters.borrow().has(&name, message);
        let made = match seen.insert(name.clone()) {
            false => Err(format!("{name}: duplicate cluster {name} found")),
            true if is_there || discovery.running.clusters.borrow().is_static(&name) => {
                plan.unmodified += 1;
                continue;
            }
            true => bench.cluster(message).map_err(|reason| {
                match dynamic.contains(&name) {
                    true => plan.refused.1 += 1,
                    false => plan.refused.0 += 1,
                }
                format!("{name}: {reason}")
            }),
        };
        match made {
            Ok(made) => plan.put.push(made),
            Err(reason) => {
                let shown = reason.strip_prefix(&format!("{name}: ")).unwrap_or(&reason);
                let shown = match shown.starts_with("duplicate cluster") {
                    true => &reason,
                    false => shown,
                };
                log::warning(
                    "upstream",
                    &format!("cds: cluster '{name}' config rejected: {shown}"),
                );
                plan.rejected.push(reason);
            }
        }
    }
    Ok(plan)
}
