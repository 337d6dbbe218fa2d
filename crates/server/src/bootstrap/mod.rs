//! From the bootstrap to what runs: clusters, listeners and the admin, compiled; nothing is bound or published,
//! so that a refused configuration leaves no trace.

mod admin;
mod dynamic;
mod extensions;
mod findings;
mod listeners;
mod stats;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use nuncio_config::bootstrap::Input;
use nuncio_config::diagnostic::Uses;
use nuncio_config::environment::Environment;
use nuncio_config::lines::Lines;
use nuncio_config::tree;
use nuncio_config::typed::{
    Attempt, Channels, Ctx, DeliveredSecrets, Refused, SecretPlaces, StaticSecrets, decode,
};
use nuncio_contract::access_log::LineLog;
use nuncio_contract::config_source::{ApiConfigSource, NO_SERVER, ServerSource};
use nuncio_contract::dns_resolver::{ChosenResolver, ResolverFields};
use nuncio_contract::registry::Extensions;
use nuncio_contract::stats::StatsStore;
use nuncio_contract::tracing::{self, Provider};
use nuncio_upstream::ClusterManager;
use nuncio_upstream::cluster::{Locality, ProxyPlace};

use crate::cli::Options;
use crate::clusters;
use crate::config::Bootstrap;
use crate::disabled;
use crate::listener::CompileContext;
use crate::process_options::ProcessConfig;
use crate::reading;
use crate::resource::{ClusterResource, ListenerResource};
use crate::runtime::Runtime;
use crate::semantics::Node;

pub(crate) use admin::AdminConfig;
pub(crate) use dynamic::DynamicSources;
pub(crate) use extensions::RunningBeside;
pub(crate) use findings::Findings;
use findings::left_out;
pub(crate) use listeners::compile_listener;
use listeners::{compile_listeners, last_of_each_name, without_refused};
pub(crate) use stats::Stats;

/// A bootstrap, compiled.
pub(crate) struct Compiled {
    /// Listeners in the order of the config.
    pub listeners: Vec<ListenerResource>,
    /// Clusters in the order of the config.
    pub clusters: Vec<ClusterResource>,
    /// Where the admin listens and what it logs; none without an admin.
    pub admin: Option<AdminConfig>,
    /// The message, for `/config_dump`.
    pub tree: Arc<tree::Message>,
    /// Where its lines begin, for `/explain`.
    pub lines: Arc<Lines>,
    /// How often it uses what it had better not.
    pub uses: Uses,
    /// How stats are named, chosen, shown and flushed.
    pub stats: Stats,
    /// Where more listeners and clusters come from.
    pub dynamic: DynamicSources,
    /// Who this proxy is.
    pub names: ServiceNames,
    /// Where ejections are told.
    pub outlier_log: Option<Arc<dyn LineLog>>,
    /// Who is asked for names, unless a cluster says otherwise.
    pub resolver: ChosenResolver,
    /// What concerns the process itself.
    pub process: ProcessConfig,
    /// How many bytes a connection inside of the process holds, if that is said.
    pub internal_buffer_bytes: Option<usize>,
    /// What runs beside the streams.
    pub extensions: RunningBeside,
}

/// Who this proxy is to its clients, and to whom it tells of their requests where a connection manager names nobody.
#[derive(Clone)]
pub(crate) struct ServiceNames {
    /// `node.cluster`.
    pub cluster: String,
    /// `node.id`.
    pub node: String,
    /// `tracing`.
    pub tracer: Option<Provider>,
}

impl ServiceNames {
    fn of(bootstrap: &Bootstrap, options: &Options) -> Self {
        let node = bootstrap.node.as_ref();
        ServiceNames {
            cluster: flag_or(&options.service_cluster, node.map(|node| &node.cluster)),
            node: flag_or(&options.service_node, node.map(|node| &node.id)),
            tracer: None,
        }
    }
}

/// What the compilation takes from the process.
pub(crate) struct Surroundings<'a> {
    /// The command line.
    pub options: &'a Options,
    /// All rooms.
    pub extensions: &'a Extensions,
    /// The clusters.
    pub manager: &'a Arc<ClusterManager>,
    /// The stats.
    pub stats: &'a StatsStore,
    /// The runtime.
    pub runtime: &'a Rc<Runtime>,
    /// The secrets that have come from elsewhere.
    pub secrets: SecretShelf,
    /// The channels of gRPC that are wished for.
    pub channels: Channels,
}

/// The secrets that have come from elsewhere, as they are now.
#[derive(Clone, Default)]
pub(crate) struct SecretShelf {
    all: Rc<RefCell<DeliveredSecrets>>,
    /// Where those stand that are read while requests pass.
    pub(crate) places: SecretPlaces,
}

impl SecretShelf {
    /// All of them.
    pub(crate) fn now(&self) -> DeliveredSecrets {
        self.all.borrow().clone()
    }

    /// Others than before.
    pub(crate) fn set(&self, secrets: DeliveredSecrets) {
        *self.all.borrow_mut() = secrets;
    }
}

/// Loads and compiles. On an error everything that is wrong is in the findings.
pub(crate) fn compile(around: &Surroundings<'_>) -> Result<(Compiled, Findings), Findings> {
    compile_input(around, &input(around.options))
}

/// What the command line names.
pub(crate) fn input(options: &Options) -> Input {
    Input {
        path: options
            .config_path
            .as_ref()
            .map(|path| path.display().to_string()),
        yaml: options.config_yaml.clone(),
        environment: options.config_env.then(Environment::of_process),
        allow_unknown_fields: options.allow_unknown_static_fields,
        skip_deprecated: options.skip_deprecated_logs,
        ..Input::default()
    }
}

/// The same for a given input.
pub(crate) fn compile_input(
    around: &Surroundings<'_>,
    input: &Input,
) -> Result<(Compiled, Findings), Findings> {
    let mut reading = reading::read(input, Node::named_by(around.options));
    let mut ctx = Ctx::new(around.options.allow_unsupported);
    let compiled = match &reading.tree {
        Some(tree) => compile_tree(tree, around, &mut ctx),
        None => Err(Refused),
    };
    let lines = Arc::new(Lines::of(&reading.sources));
    let compiled = compiled.map(|compiled| Compiled { lines, ..compiled });
    let findings = Findings {
        diagnostics: reading.findings(ctx.diagnostics),
        sources: reading.sources,
        changes: reading.changes,
    };
    match compiled {
        Ok(compiled) if !findings.diagnostics.has_errors() => {
            let uses = findings.diagnostics.uses();
            Ok((Compiled { uses, ..compiled }, findings))
        }
        _ => Err(findings),
    }
}

/// Where the proxy stands: as the node says, or else the command line.
fn proxy_place(bootstrap: &Bootstrap, options: &Options) -> ProxyPlace {
    let locality = bootstrap
        .node
        .as_ref()
        .and_then(|node| node.locality.as_ref());
    let text = |of: fn(&crate::config::Locality) -> &String| {
        locality.map_or(Box::default(), |locality| of(locality).as_str().into())
    };
    let zone = locality.map(|locality| &locality.zone);
    let zone = flag_or(&options.service_zone, zone);
    let local = bootstrap.cluster_manager.as_ref();
    let local = local.map(|manager| manager.local_cluster_name.as_str());
    ProxyPlace {
        locality: Locality {
            region: text(|locality| &locality.region),
            zone: zone.as_str().into(),
            sub_zone: text(|locality| &locality.sub_zone),
        },
        local_cluster: local.filter(|name| !name.is_empty()).map(Box::from),
        threads: options.workers() as u64 + 1,
        defers_stats: bootstrap
            .deferred_stat_options
            .as_ref()
            .is_some_and(|options| options.enable_deferred_creation_stats),
    }
}

/// Compiles a tree that was read; what is wrong goes to the context.
pub(crate) fn compile_tree(
    tree: &Arc<tree::Message>,
    around: &Surroundings<'_>,
    ctx: &mut Ctx,
) -> Result<Compiled, Refused> {
    look_around(around, ctx);
    let bootstrap: Bootstrap = decode(tree, ctx)?;
    let enabled = disabled::check(tree, around.options, around.extensions, ctx);
    let resources = bootstrap.static_resources.as_ref();
    let cluster_messages = resources
        .map(|resources| resources.clusters.as_slice())
        .unwrap_or_default();
    let secrets = resources
        .map(|resources| resources.secrets.as_slice())
        .unwrap_or_default();
    let secrets_are_sound = nuncio_net::tls::check_secrets(secrets, ctx);
    ctx.static_secrets = StaticSecrets::new(secrets);
    let cluster_names = clusters::names(cluster_messages);
    let knows_cluster = |name: &str| cluster_names.contains(name);
    let stats = stats::compile(&bootstrap, around, &knows_cluster, ctx);
    around
        .manager
        .stand_at(proxy_place(&bootstrap, around.options));
    let names = ServiceNames::of(&bootstrap, around.options);
    let layers = bootstrap.layered_runtime.as_ref();
    // What is compiled may ask the runtime.
    let runtime = around
        .runtime
        .begin(layers, &names.cluster, around.stats, ctx);
    let mut clusters = clusters::load(cluster_messages, around.extensions, ctx);
    let bound = clusters::bind_by_default(bootstrap.cluster_manager.as_ref(), &mut clusters, ctx);
    let tracer = default_tracer(&bootstrap, around.extensions, ctx);
    let names = ServiceNames {
        tracer: tracer.as_ref().ok().cloned().flatten(),
        ..names
    };
    let mut context = CompileContext {
        ctx,
        extensions: around.extensions,
        clusters: around.manager,
        known_clusters: &knows_cluster,
        stats: around.stats,
        service_cluster: &names.cluster,
        service_node: &names.node,
        default_tracer: names.tracer.as_ref(),
    };
    let listener_messages = resources.map(|resources| resources.listeners.as_slice());
    let listeners = compile_listeners(listener_messages.unwrap_or_default(), tree, &mut context);
    let admin = admin::compile(bootstrap.admin.as_ref(), around.extensions, ctx);
    let process = ProcessConfig::compile(&bootstrap, around.options, ctx);
    let mut dynamic = dynamic::sources(&bootstrap, ctx);
    dynamic.checks = checks_source(bootstrap.hds_config.as_ref(), ctx);
    let manager = bootstrap.cluster_manager.as_ref();
    let loads = manager.and_then(|manager| manager.load_stats_config.as_ref());
    dynamic.loads = loads.and_then(|source| loads_source(source, ctx));
    bound.and(tracer)?;
    enabled.and(runtime)?;
    let missing = cluster_messages.len().saturating_sub(clusters.len());
    tell_left_out((admin.is_err(), secrets_are_sound.is_err(), missing), ctx);
    let beside = extensions::compile(&bootstrap, around.extensions, ctx);
    Ok(Compiled {
        listeners: last_of_each_name(without_refused(listeners, ctx), ctx),
        clusters,
        admin: admin.ok().flatten(),
        process: process?,
        tree: Arc::clone(tree),
        lines: Arc::default(),
        uses: Uses::default(),
        stats: stats?,
        dynamic,
        names,
        outlier_log: open_outlier_log(&bootstrap, around.extensions, ctx)?,
        // What is wrong with it was told; where that is allowed, the usual one is asked.
        resolver: resolver(&bootstrap, ctx).unwrap_or_default(),
        internal_buffer_bytes: beside.0,
        extensions: beside.1?,
    })
}

/// Whom to tell of loads. One that names nobody is a warning in Envoy too, for agents of meshes write it.
fn loads_source(source: &ApiConfigSource, ctx: &mut Ctx) -> Option<Arc<ServerSource>> {
    if source.names_nobody() {
        ctx.warning(
            source.span(),
            format!("nobody is told of loads: {NO_SERVER}"),
        );
        return None;
    }
    source.server(ctx).ok().map(Arc::new)
}

fn look_around(around: &Surroundings<'_>, ctx: &mut Ctx) {
    ctx.runtime = around.runtime.keys.clone();
    ctx.delivered_secrets = around.secrets.now();
    ctx.secret_places = around.secrets.places.clone();
    ctx.channels = around.channels.clone();
}

/// Says which parts do not run: the admin, what uses secrets, and so many clusters.
fn tell_left_out((admin, secrets, clusters): (bool, bool, usize), ctx: &mut Ctx) {
    if admin {
        left_out("the admin interface", ctx);
    }
    if secrets {
        left_out("what uses some of the secrets", ctx);
    }
    if clusters > 0 {
        left_out(&format!("{clusters} of the clusters"), ctx);
    }
}

fn checks_source(
    source: Option<&Attempt<ApiConfigSource>>,
    ctx: &mut Ctx,
) -> Option<Arc<ServerSource>> {
    match source? {
        Attempt(Ok(source)) => source.server(ctx).ok().map(Arc::new),
        Attempt(Err(Refused)) => {
            left_out("the checks that `hds_config` would ask for", ctx);
            None
        }
    }
}

fn resolver(bootstrap: &Bootstrap, ctx: &mut Ctx) -> Result<ChosenResolver, Refused> {
    let fields = ResolverFields {
        typed: bootstrap.typed_dns_resolver_config.as_ref(),
        untyped: bootstrap.dns_resolution_config.as_ref(),
        tcp_only: bootstrap.use_tcp_for_dns_lookups,
        ..ResolverFields::default()
    };
    fields.compile(ctx)
}

/// Opens the file that ejections are told to, if there is one.
fn open_outlier_log(
    bootstrap: &Bootstrap,
    extensions: &Extensions,
    ctx: &mut Ctx,
) -> Result<Option<Arc<dyn LineLog>>, Refused> {
    let manager = bootstrap.cluster_manager.as_ref();
    let message = manager.and_then(|manager| manager.outlier_detection.as_ref());
    let path = message.map(|message| &message.event_log_path);
    let path = path.filter(|path| !path.value.is_empty());
    let (Some(path), Some(files)) = (path, extensions.access_log_files) else {
        return Ok(None);
    };
    files.open_lines(&path.value).map(Some).map_err(|why| {
        ctx.error(path.span, why);
        Refused
    })
}

/// Who tells of requests where a connection manager names nobody; checked once, also where all do.
fn default_tracer(
    bootstrap: &Bootstrap,
    extensions: &Extensions,
    ctx: &mut Ctx,
) -> Result<Option<Provider>, Refused> {
    let tracing = bootstrap.tracing.as_ref();
    let Some(provider) = tracing.and_then(|tracing| tracing.http.as_ref()) else {
        return Ok(None);
    };
    tracing::compile(provider, extensions.tracers, ctx)?;
    Ok(Some(provider.clone()))
}

/// The command line wins over what the node says.
fn flag_or(flag: &str, written: Option<&String>) -> String {
    match flag {
        "" => written.cloned().unwrap_or_default(),
        given => given.to_owned(),
    }
}
