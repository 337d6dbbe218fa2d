//! A configuration that is only told about, with `--allow-unsupported`: each cluster and each listener is compiled
//! for itself. A cluster that Nuncio cannot have is there by its name alone; a listener that it cannot have is not
//! there. What is left out, and why, is said as warnings.

use std::sync::Arc;

use nuncio_config::diagnostic::{Diagnostics, Severity};
use nuncio_config::tree::{Item, Message, Value};
use nuncio_config::typed::{Ctx, Refused, decode};
use nuncio_contract::dns_resolver::{ChosenResolver, ResolverFields};
use nuncio_http::route::RouteTable;
use nuncio_upstream::config::ClusterConfig;
use nuncio_upstream::discovery::Discovery;

use super::Entry;
use super::clusters::{add_cluster, add_name};
use crate::bootstrap::Surroundings;
use crate::config::Listener;
use crate::listener::{CompileContext, CompiledListener};

/// What there is to tell about.
#[derive(Default)]
pub(crate) struct Tolerated {
    /// Each filter chain that speaks HTTP.
    pub(crate) chains: Vec<Chain>,
    /// Names of clusters that may be resolved.
    pub(crate) names: Vec<Discovery>,
    /// Who is asked for them, unless a cluster says otherwise.
    pub(crate) resolver: ChosenResolver,
    /// What was left out, and why.
    pub(crate) warnings: Diagnostics,
}

/// A filter chain that speaks HTTP.
pub(crate) struct Chain {
    /// Its listener, with what this chain runs.
    pub(crate) listener: Arc<CompiledListener>,
    /// Its routes.
    pub(crate) routes: Arc<RouteTable>,
    /// The listener's place in the config.
    pub(crate) place: usize,
    /// The chain's place in the listener.
    pub(crate) chain: usize,
}

impl Tolerated {
    /// Compiles what can be compiled.
    pub(crate) fn compile(tree: &Message, around: &Surroundings<'_>) -> Self {
        let mut all = Self::default();
        let service_cluster = &around.options.service_cluster;
        around
            .runtime
            .begin_with_tree(tree, service_cluster, around.stats);
        let mut ctx = Ctx::for_telling();
        all.resolver = resolver(tree, &mut ctx).unwrap_or_default();
        all.warn(ctx);
        for cluster in resources(tree, "clusters") {
            let mut ctx = Ctx::for_telling();
            ctx.runtime = around.runtime.keys.clone();
            match ClusterConfig::parse(cluster, &mut ctx) {
                Ok(config) => all.names.extend(add_cluster(config, around.manager)),
                Err(Refused) => {
                    if let Some(name) = cluster.find(&["name"]).and_then(Value::as_str) {
                        add_name(name, around.manager);
                    }
                }
            }
            all.warn(ctx);
        }
        for (place, message) in resources(tree, "listeners").enumerate() {
            let mut ctx = Ctx::for_telling();
            ctx.runtime = around.runtime.keys.clone();
            all.listener(place, message, around, &mut ctx);
            all.warn(ctx);
        }
        all.warnings.sort();
        all
    }

    fn listener(
        &mut self,
        place: usize,
        message: &Arc<Message>,
        around: &Surroundings<'_>,
        ctx: &mut Ctx,
    ) {
        let Ok(listener) = decode::<Listener>(message, ctx) else {
            return;
        };
        let known_clusters = |name: &str| around.manager.find(name).is_some();
        let mut context = CompileContext {
            ctx,
            extensions: around.extensions,
            clusters: around.manager,
            known_clusters: &known_clusters,
            stats: around.stats,
            service_cluster: &around.options.service_cluster,
            service_node: &around.options.service_node,
            default_tracer: None,
        };
        let chains = CompiledListener::compile_each_chain(&listener, &mut context);
        let chains = chains.into_iter().map(|(chain, listener, routes)| Chain {
            listener: Arc::new(listener),
            routes: Arc::new(routes),
            place,
            chain,
        });
        self.chains.extend(chains);
    }

    fn warn(&mut self, ctx: Ctx) {
        for finding in ctx.diagnostics.iter() {
            let mut finding = finding.clone();
            finding.severity = Severity::Warning;
            self.warnings.push(finding);
        }
    }
}

impl Chain {
    /// The chain as one to choose from.
    pub(crate) fn entry(&self) -> Option<Entry<'_>> {
        // Alone in its listener, or one of all.
        let chains = &self.listener.chains;
        let compiled = chains.get(self.chain).or(chains.first())?;
        Some(Entry {
            listener: &self.listener,
            manager: &compiled.http()?.manager,
            chain_name: &compiled.description.name,
            routes: &self.routes,
            address: self.listener.address.ip(),
            place: self.place,
            chain: self.chain,
        })
    }
}

/// Who the bootstrap has asked for names.
fn resolver(tree: &Message, ctx: &mut Ctx) -> Result<ChosenResolver, Refused> {
    let message = |name| tree.find(&[name]).and_then(Value::as_message);
    let typed = match message("typed_dns_resolver_config") {
        Some(message) => Some(decode(message, ctx)?),
        None => None,
    };
    let untyped = match message("dns_resolution_config") {
        Some(message) => Some(decode(message, ctx)?),
        None => None,
    };
    let fields = ResolverFields {
        typed: typed.as_ref(),
        untyped: untyped.as_ref(),
        servers: &[],
        tcp_only: matches!(
            tree.find(&["use_tcp_for_dns_lookups"]),
            Some(Value::Bool(true))
        ),
    };
    fields.compile(ctx)
}

fn resources<'a>(tree: &'a Message, list: &str) -> impl Iterator<Item = &'a Arc<Message>> {
    let items = tree.find(&["static_resources", list]);
    let items = items.and_then(Value::as_list).unwrap_or_default();
    items
        .iter()
        .filter_map(|item: &Item| item.value.as_message())
}
