//! The same checks for a resource that comes by itself, while others run.

use std::collections::HashSet;

use nuncio_config::diagnostic::Diagnostics;
use nuncio_config::tree::Message;

use super::extensions::Registered;
use super::{Checker, ClusterNames, Node};

/// Checks resources one by one.
pub(crate) struct ResourceChecks {
    clusters: HashSet<Box<str>>,
    static_secrets: HashSet<Box<str>>,
    registered: Registered,
}

impl ResourceChecks {
    /// Beside these clusters and static secrets.
    pub(crate) fn beside(
        clusters: impl Iterator<Item = Box<str>>,
        static_secrets: impl Iterator<Item = Box<str>>,
    ) -> Self {
        ResourceChecks {
            clusters: clusters.collect(),
            static_secrets: static_secrets.collect(),
            registered: Registered::default(),
        }
    }

    /// Whether there is a cluster of this name.
    pub(crate) fn knows_cluster(&self, name: &str) -> bool {
        self.clusters.contains(name)
    }

    /// Reports what is wrong with a resource.
    pub(crate) fn check(&mut self, resource: &Message, diagnostics: &mut Diagnostics) {
        let clusters = ClusterNames {
            names: std::mem::take(&mut self.clusters),
            secondary: HashSet::new(),
            incomplete: false,
        };
        let is_table = resource.name() == "envoy.config.route.v3.RouteConfiguration";
        let mut checker = Checker {
            clusters,
            registered: std::mem::take(&mut self.registered),
            node: Node {
                has_id: true,
                has_cluster: true,
            },
            validate_clusters: !is_table,
            validates_clusters_by_default: !is_table,
            knows_formats: true,
            reads_files: true,
            asks_at_once: true,
            dns_caches: Vec::new(),
            static_secrets: std::mem::take(&mut self.static_secrets),
            secrets_in_use: HashSet::new(),
            reported: HashSet::new(),
            diagnostics,
        };
        checker.visit(resource);
        self.clusters = checker.clusters.names;
        self.registered = checker.registered;
        self.static_secrets = checker.static_secrets;
    }
}
