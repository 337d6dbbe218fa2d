//! Resources made ready to run, one by one: unpacked, checked and compiled, beside what runs.

use std::sync::Arc;

use nuncio_config::diagnostic::{Diagnostic, Diagnostics, Severity};
use nuncio_config::report::{self, Style};
use nuncio_config::resources::{Response, first_error, unpack, unpack_own};
use nuncio_config::source::Sources;
use nuncio_config::span::Span;
use nuncio_config::tree::{Item, Message, Value};
use nuncio_config::typed::{Ctx, Refused, StaticSecrets, decode};
use nuncio_config::validate::validate_nested;
use nuncio_contract::config_source::ResourceSource;
use nuncio_http::connection_manager::{RouteSource, ScopeSource};
use nuncio_http::route::RouteTable;

use super::filter_places::{self, Parsed, Place};
use super::{CLUSTER, LISTENER, unknown_types};
use crate::bootstrap::{self, ServiceNames, Surroundings};
use crate::clusters;
use crate::config::Listener;
use crate::listener::CompileContext;
use crate::resource::{ClusterResource, ListenerResource};
use crate::running::Running;
use crate::semantics::ResourceChecks;

/// What resources are made with.
pub(super) struct Workshop<'a> {
    around: &'a Surroundings<'a>,
    names: ServiceNames,
}

/// The making of one update's resources; what is wrong with them is told at the end.
pub(super) struct Bench<'w> {
    workshop: &'w Workshop<'w>,
    checks: ResourceChecks,
    secrets: StaticSecrets,
    found: Diagnostics,
    sources: Sources,
    /// The version of the update.
    version: Arc<str>,
    /// What is wrong with the resource at hand if somebody wants an extension of it that nobody knows.
    unknown_type: Option<String>,
}

impl<'a> Workshop<'a> {
    pub(super) fn new(around: &'a Surroundings<'a>, names: ServiceNames) -> Self {
        Workshop { around, names }
    }

    /// How findings are shown.
    pub(super) fn style(&self) -> Style {
        crate::style(self.around.options)
    }

    /// Begins with an update.
    pub(super) fn begin(&'a self, response: &Response, running: &Running) -> Bench<'a> {
        let tree = running.tree();
        let secrets = tree.find(&["static_resources", "secrets"]);
        let secrets = secrets.and_then(Value::as_list).unwrap_or_default();
        let secrets = || {
            secrets
                .iter()
                .filter_map(|item: &Item| item.value.as_message())
        };
        let name = |secret: &Arc<Message>| Some(secret.find(&["name"])?.as_str()?.into());
        let clusters = self.around.manager.clusters();
        let clusters = clusters.iter().map(|cluster| cluster.settings.name.clone());
        let warming = running.clusters.borrow().dynamic_names();
        let warming = warming.into_iter().map(String::into_boxed_str);
        Bench {
            workshop: self,
            checks: ResourceChecks::beside(clusters.chain(warming), secrets().filter_map(name)),
            secrets: StaticSecrets::new(secrets()),
            found: response.warnings.clone(),
            sources: response.sources.clone(),
            version: response.version.as_ref().into(),
            unknown_type: None,
        }
    }
}

impl Bench<'_> {
    /// From now on resources have this version, where they have versions of their own.
    pub(super) fn use_version(&mut self, version: Option<&str>) {
        if let Some(version) = version {
            self.version = version.into();
        }
    }

    /// The version of the update.
    pub(super) fn version(&self) -> &Arc<str> {
        &self.version
    }

    /// All resources as messages of one type, their rules checked; one that is none fails the whole.
    pub(super) fn unpack_all(
        &mut self,
        response: &Response,
        wanted: &str,
    ) -> Result<Vec<Arc<Message>>, String> {
        let mut messages = Vec::with_capacity(response.resources.len());
        for any in &response.resources {
            let mut found = Diagnostics::default();
            let message = match wanted {
                CLUSTER | LISTENER => unpack_own(wanted, any, &mut found),
                _ => unpack(wanted, any, &mut found),
            };
            match message {
                Some(message) => messages.push(message),
                None => return Err(self.reason(found)),
            }
        }
        Ok(messages)
    }

    /// A cluster, or why it is none.
    pub(super) fn cluster(&mut self, message: &Arc<Message>) -> Result<ClusterResource, String> {
        let mut ctx = self.checked_whole(message)?;
        let messages = std::slice::from_ref(message);
        let made = clusters::load(messages, self.workshop.around.extensions, &mut ctx);
        let update = Some(Arc::clone(&self.version));
        match made.into_iter().next() {
            Some(made) if !ctx.diagnostics.has_errors() => {
                self.found.append(ctx.diagnostics);
                Ok(ClusterResource { update, ..made })
            }
            _ => Err(self.reason(ctx.diagnostics)),
        }
    }

    /// A listener, or why it is none.
    pub(super) fn listener(&mut self, message: &Arc<Message>) -> Result<ListenerResource, String> {
        let mut ctx = self.checked_whole(message)?;
        let listener = decode::<Listener>(message, &mut ctx);
        let value = Value::Message(Arc::clone(message));
        let made = listener.and_then(|listener| {
            self.compiling(&mut ctx, |context| {
                bootstrap::compile_listener(&listener, &value, context)
            })
        });
        match made {
            Ok(made) if !ctx.diagnostics.has_errors() => {
                self.found.append(ctx.diagnostics);
                Ok(ListenerResource {
                    update: Some(Arc::clone(&self.version)),
                    ..made
                })
            }
            _ => Err(self.reason(ctx.diagnostics)),
        }
    }

    /// A filter's configuration for these places, or why it is none.
    pub(super) fn extension(
        &mut self,
        message: &Arc<Message>,
        places: &[Place],
    ) -> Result<Parsed, String> {
        let mut ctx = self.checked(message)?;
        let extensions = self.workshop.around.extensions;
        match filter_places::parse(message, places, extensions, &mut ctx) {
            Ok(parsed) if !has_faults(&mut ctx) => {
                self.found.append(ctx.diagnostics);
                Ok(parsed)
            }
            _ => Err(self.reason(ctx.diagnostics)),
        }
    }

    /// Whether a route configuration is one at all, or why it is none.
    pub(super) fn check(&mut self, message: &Arc<Message>) -> Result<(), String> {
        self.checked(message).map(drop)
    }

    /// The table of a route configuration for one connection manager, or why it is none.
    pub(super) fn routes(
        &mut self,
        source: &RouteSource,
        message: &Arc<Message>,
    ) -> Result<RouteTable, String> {
        let mut ctx = self.context();
        let table = self.compiling(&mut ctx, |context| {
            let mut reserve = |name: &str| context.clusters.reserve(name);
            let (extensions, known) = (context.extensions, context.known_clusters);
            source.compile(message, (extensions, known), &mut reserve, context.ctx)
        });
        match table {
            Ok(table) if !has_faults(&mut ctx) => Ok(table),
            _ => Err(self.reason(ctx.diagnostics)),
        }
    }

    /// Who has more virtual hosts of a route configuration, or why nobody can have them.
    pub(super) fn more_hosts(
        &mut self,
        message: &Message,
    ) -> Result<Option<ResourceSource>, String> {
        let mut ctx = self.context();
        match RouteSource::more_hosts(message, &mut ctx) {
            Ok(source) if !ctx.diagnostics.has_errors() => Ok(source),
            _ => Err(self.reason(ctx.diagnostics)),
        }
    }

    /// The table of scopes with their routes, or why it is none.
    pub(super) fn scopes(
        &mut self,
        source: &ScopeSource,
        scopes: &[(Arc<Message>, Option<Arc<Message>>)],
    ) -> Result<RouteTable, String> {
        let mut ctx = self.context();
        let table = self.compiling(&mut ctx, |context| {
            let mut reserve = |name: &str| context.clusters.reserve(name);
            let (extensions, known) = (context.extensions, context.known_clusters);
            source.compile(scopes, (extensions, known), &mut reserve, context.ctx)
        });
        match table {
            Ok(table) if !has_faults(&mut ctx) => Ok(table),
            _ => Err(self.reason(ctx.diagnostics)),
        }
    }

    /// Whether scopes can be used, or why not.
    pub(super) fn check_scopes(
        &mut self,
        source: &ScopeSource,
        scopes: &[Arc<Message>],
    ) -> Result<(), String> {
        let mut ctx = self.context();
        let checked = self.compiling(&mut ctx, |context| {
            let mut reserve = |name: &str| context.clusters.reserve(name);
            let (extensions, known) = (context.extensions, context.known_clusters);
            source.check(scopes, (extensions, known), &mut reserve, context.ctx)
        });
        match checked {
            Ok(()) if !ctx.diagnostics.has_errors() => Ok(()),
            _ => Err(self.reason(ctx.diagnostics)),
        }
    }

    /// Shows all that was found.
    pub(super) fn tell(self) {
        if !self.found.is_empty() {
            let style = self.workshop.style();
            eprint!("{}", report::render(&self.found, &self.sources, style));
        }
    }

    fn context(&self) -> Ctx {
        let around = self.workshop.around;
        let mut ctx = Ctx::new(around.options.allow_unsupported);
        ctx.runtime = around.runtime.keys.clone();
        ctx.static_secrets = self.secrets.clone();
        ctx.delivered_secrets = around.secrets.now();
        ctx.secret_places = around.secrets.places.clone();
        ctx.channels = around.channels.clone();
        ctx
    }

    /// The same of a resource that was unpacked alone, without what is in it.
    fn checked_whole(&mut self, message: &Message) -> Result<Ctx, String> {
        let mut found = Diagnostics::default();
        validate_nested(message, &mut found);
        self.unknown_type = unknown_types::complaint(message);
        match found.has_errors() {
            true => Err(self.reason(found)),
            false => self.checked(message),
        }
    }

    fn checked(&mut self, message: &Message) -> Result<Ctx, String> {
        let mut found = Diagnostics::default();
        self.checks.check(message, &mut found);
        let around = self.workshop.around;
        let mut ctx = self.context();
        let enabled = crate::disabled::check(message, around.options, around.extensions, &mut ctx);
        match found.has_errors() || enabled == Err(Refused) {
            true => {
                found.append(ctx.diagnostics);
                Err(self.reason(found))
            }
            false => Ok(ctx),
        }
    }

    fn compiling<T>(
        &self,
        ctx: &mut Ctx,
        compile: impl FnOnce(&mut CompileContext<'_>) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        let around = self.workshop.around;
        let reserved = around.manager.reserved();
        let knows_cluster = |name: &str| self.checks.knows_cluster(name);
        let made = compile(&mut CompileContext {
            ctx,
            extensions: around.extensions,
            clusters: around.manager,
            known_clusters: &knows_cluster,
            stats: around.stats,
            service_cluster: &self.workshop.names.cluster,
            service_node: &self.workshop.names.node,
            default_tracer: self.workshop.names.tracer.as_ref(),
        });
        if made.is_err() {
            around.manager.forget_since(reserved);
        }
        made
    }

    /// The first mistake in Envoy's words; all of them are told later.
    fn reason(&mut self, mut found: Diagnostics) -> String {
        found.sort();
        let mut reason = first_error(&found);
        if reason.ends_with(Diagnostic::NOT_SUPPORTED)
            && let Some(complaint) = self.unknown_type.take()
        {
            reason = complaint;
        }
        self.found
            .append(found.filter(|one| one.severity != Severity::Warning));
        match reason.as_str() {
            "" => {
                let text = "it needs what Nuncio does not support yet";
                self.found.error(Span::NONE, text);
                text.to_string()
            }
            _ => reason,
        }
    }
}

/// Whether something is wrong. Nobody would fetch the secrets of routes and filters that come by themselves.
fn has_faults(ctx: &mut Ctx) -> bool {
    if let Some(wish) = ctx.secrets_wanted.first() {
        let what = format!(
            "the secret `{}` from elsewhere in what is no listener",
            wish.name
        );
        ctx.unsupported(Span::NONE, what);
        // Allowed or not, it would be empty for good.
        return true;
    }
    ctx.diagnostics.has_errors()
}
