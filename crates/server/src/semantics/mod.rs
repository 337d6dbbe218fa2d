//! What Envoy checks of a whole bootstrap beyond the rules of its API: names that must exist or must not
//! exist twice, ends of filter chains, addresses, formats, files.
//!
//! The checks read the message tree, so that they find what is wrong whether Nuncio honours the things
//! around it or not, and beside errors that were found earlier: a value that was refused is passed over.
//! What a room or the engine can only find by compiling its part is found there, with the same words at
//! the same place; [`crate::bootstrap`] shows such a finding once.
//!
//! Differences from Envoy: the size of RE2's programs is not known here, so that Envoy's limit of 100 on
//! it is not applied.

mod access;
mod chain_match;
mod clusters;
mod dns_caches;
mod domains;
mod ecmascript;
mod extensions;
mod files;
mod http_chain;
mod jwt;
mod listeners;
mod look;
mod node;
mod overload;
mod resource;
mod routes;
mod secrets;
mod stats;
mod templates;
mod values;

use std::collections::HashSet;

use nuncio_config::diagnostic::{Diagnostics, Note};
use nuncio_config::span::Span;
use nuncio_config::tree::{Message, Value};

use extensions::Registered;
use look::Look;
pub(crate) use node::Node;
pub(crate) use resource::ResourceChecks;

/// Extensions whose headers and formats take the same commands as Nuncio's.
const FORMATS: [&str; 4] = [
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
    "envoy.extensions.access_loggers.file.v3.FileAccessLog",
    "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
    "envoy.extensions.access_loggers.stream.v3.StderrAccessLog",
];

/// Checks a bootstrap; `node` is what the command line says of it.
pub(crate) fn check(bootstrap: &Message, node: Node, diagnostics: &mut Diagnostics) {
    let clusters = ClusterNames::of(bootstrap);
    let mut checker = Checker {
        clusters,
        registered: Registered::default(),
        node: node.and(bootstrap),
        validate_clusters: true,
        validates_clusters_by_default: true,
        knows_formats: true,
        reads_files: true,
        asks_at_once: true,
        static_secrets: secrets::names(bootstrap),
        secrets_in_use: HashSet::new(),
        reported: HashSet::new(),
        dns_caches: Vec::new(),
        diagnostics,
    };
    clusters::unique(bootstrap, &mut checker);
    clusters::local(bootstrap, &mut checker);
    listeners::unique(bootstrap, &mut checker);
    listeners::internal(bootstrap, &mut checker);
    secrets::unique(bootstrap, &mut checker);
    node::ads(bootstrap, &mut checker);
    node::application_log(bootstrap, &mut checker);
    node::runtime_layers(bootstrap, &mut checker);
    extensions::bootstrap(bootstrap, &mut checker);
    overload::manager(bootstrap, &mut checker);
    stats::tags(bootstrap, &mut checker);
    checker.visit(bootstrap);
    secrets::used(bootstrap, &mut checker);
}

/// The names of the static clusters.
struct ClusterNames {
    names: HashSet<Box<str>>,
    /// Those whose hosts come from a server themselves.
    secondary: HashSet<Box<str>>,
    /// Whether the name of some cluster could not be read, so that any name may be its.
    incomplete: bool,
}

impl ClusterNames {
    fn of(bootstrap: &Message) -> Self {
        let mut names = HashSet::new();
        let mut secondary = HashSet::new();
        let resources = bootstrap.child("static_resources");
        let mut incomplete = bootstrap.is_refused("static_resources");
        if let Some(resources) = resources {
            incomplete |= resources.has_refused_items("clusters");
            for cluster in resources.children("clusters") {
                match cluster.text("name") {
                    Some((name, _)) => {
                        names.insert(name.into());
                        if !cluster.has("cluster_type") && cluster.choice("type") == "EDS" {
                            secondary.insert(name.into());
                        }
                    }
                    None => incomplete = true,
                }
            }
        }
        Self {
            names,
            secondary,
            incomplete,
        }
    }

    fn may_have(&self, name: &str) -> bool {
        self.incomplete || self.names.contains(name)
    }

    /// Whether a server of configuration may be one of this cluster.
    fn may_be_primary(&self, name: &str) -> bool {
        self.may_have(name) && !self.secondary.contains(name)
    }

    fn nearest(&self, name: &str) -> Option<&str> {
        let names = self.names.iter().map(|name| &**name);
        nuncio_config::interpret::nearest(name, names)
    }
}

struct Checker<'d> {
    clusters: ClusterNames,
    registered: Registered,
    node: Node,
    /// `validate_clusters` of the route table around.
    validate_clusters: bool,
    /// The same for a table that does not say: not for one that comes by itself.
    validates_clusters_by_default: bool,
    /// Whether the extension around takes no more commands in formats than Nuncio knows.
    knows_formats: bool,
    /// Whether the files named here are read while the configuration loads.
    reads_files: bool,
    /// Whether the servers named here are asked while the configuration loads.
    asks_at_once: bool,
    /// The names of the static secrets.
    static_secrets: HashSet<Box<str>>,
    /// Those that something refers to.
    secrets_in_use: HashSet<Box<str>>,
    /// Places of files that were found missing.
    reported: HashSet<(u32, u32)>,
    /// The first cache of names of each name.
    dns_caches: Vec<Message>,
    diagnostics: &'d mut Diagnostics,
}

impl Checker<'_> {
    fn error(&mut self, span: Span, message: impl Into<String>) -> Note<'_> {
        self.diagnostics.error(span, message)
    }

    /// An error about a cluster that is not there.
    fn unknown_cluster(&mut self, span: Span, name: &str, text: String) {
        if self.clusters.may_have(name) {
            return;
        }
        let near = self.clusters.nearest(name).map(str::to_owned);
        let note = self.error(span, text);
        if let Some(near) = near {
            note.suggest(format!("did you mean `{near}`?"));
        }
    }

    fn visit(&mut self, message: &Message) {
        let outer = (self.validate_clusters, self.reads_files, self.asks_at_once);
        // Credentials are read when they are first needed.
        self.reads_files &=
            !message.name().contains(".aws") && !message.name().ends_with(".GoogleGrpc");
        match message.name() {
            "envoy.config.cluster.v3.Cluster" => clusters::check(message, self),
            "envoy.config.listener.v3.Listener" => listeners::check(message, self),
            "envoy.config.listener.v3.FilterChain" => listeners::chain(message, self),
            "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager" => {
                http_chain::connection_manager(message, self);
            }
            "envoy.config.accesslog.v3.AccessLog" => extensions::access_log(message, self),
            "envoy.config.core.v3.HeaderValueOption" if self.knows_formats => {
                values::header(message, self);
            }
            "envoy.config.core.v3.SubstitutionFormatString" if self.knows_formats => {
                values::format(message, self);
            }
            "envoy.type.matcher.v3.RegexMatcher" => values::regex(message, self),
            "envoy.config.bootstrap.v3.Bootstrap.DynamicResources" => {
                return node::dynamic_resources(message, self);
            }
            "envoy.config.core.v3.Http1ProtocolOptions.HeaderKeyFormat" => {
                http_chain::header_case(message, self);
            }
            "envoy.extensions.filters.http.cache.v3.CacheConfig"
            | "envoy.extensions.filters.http.cache_v2.v3.CacheV2Config" => {
                http_chain::cache(message, self);
            }
            "envoy.extensions.common.dynamic_forward_proxy.v3.DnsCacheConfig" => {
                dns_caches::check(message, self);
            }
            "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication" => {
                jwt::providers(message, self);
            }
            "envoy.config.trace.v3.ZipkinConfig" => node::zipkin(message, self),
            "envoy.config.trace.v3.DatadogConfig" => node::datadog(message, self),
            "envoy.config.core.v3.ConfigSource" => node::config_source(message, self),
            "envoy.config.core.v3.DataSource" => files::data(message, self),
            "envoy.config.bootstrap.v3.RuntimeLayer.DiskLayer" => files::disk_layer(message, self),
            // Envoy does without rules of sampling that it can't read.
            "envoy.config.trace.v3.XRayConfig"
            // Envoy opens a static secret only for those who use it, and this one for each call.
            | "envoy.extensions.transport_sockets.tls.v3.Secret"
            | "envoy.config.grpc_credential.v3.FileBasedMetadataConfig" => return,
            "envoy.extensions.transport_sockets.tls.v3.CommonTlsContext" => {
                secrets::context(message, self);
            }
            "envoy.extensions.filters.http.oauth2.v3.OAuth2Credentials" => {
                secrets::oauth2(message, self);
            }
            "envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig" => {
                secrets::refer(message, self);
                self.asks_at_once = false;
            }
            "envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext" => {
                secrets::authorities(message, self);
            }
            "envoy.config.metrics.v3.StatsdSink" if message.has("tcp_cluster_name") => {
                node::named(message, self);
            }
            "envoy.extensions.transport_sockets.tls.v3.TlsCertificate" => {
                files::certificate(message, self);
            }
            _ if self.check_routing(message) => {}
            _ => files::paths(message, self),
        }
        for entry in message.entries() {
            self.visit_value(&entry.value);
        }
        (self.validate_clusters, self.reads_files, self.asks_at_once) = outer;
    }

    /// What belongs to route tables and policies of access; false for anything else.
    fn check_routing(&mut self, message: &Message) -> bool {
        match message.name() {
            "envoy.config.route.v3.RouteConfiguration" => routes::table(message, self),
            "envoy.config.route.v3.VirtualHost" => routes::virtual_host(message, self),
            "envoy.config.route.v3.Route" => routes::route(message, self),
            "envoy.config.route.v3.RouteMatch" => routes::condition(message, self),
            "envoy.config.route.v3.RouteAction" => routes::action(message, self),
            "envoy.config.route.v3.WeightedCluster" => routes::weighted(message, self),
            // Envoy looks for the clusters of a matcher's routes when a request comes.
            "xds.type.matcher.v3.Matcher" => self.validate_clusters = false,
            "envoy.config.route.v3.RouteAction.RequestMirrorPolicy" => {
                routes::mirror(message, self);
            }
            "envoy.config.route.v3.DirectResponseAction" => files::body(message, self),
            "envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig" => {
                templates::matcher(message, self);
            }
            "envoy.extensions.path.rewrite.uri_template.v3.UriTemplateRewriteConfig" => {
                templates::rewrite(message, self);
            }
            "envoy.config.rbac.v3.Permission" => access::permission(message, self),
            "envoy.config.rbac.v3.Principal" => access::principal(message, self),
            _ => return false,
        }
        true
    }

    fn visit_value(&mut self, value: &Value) {
        match value {
            Value::Message(message) => self.visit(message),
            Value::Any(any) => {
                let outer = self.knows_formats;
                self.knows_formats &= FORMATS.contains(&any.type_name());
                self.visit(&any.message);
                self.knows_formats = outer;
            }
            Value::List(items) => {
                for item in items {
                    self.visit_value(&item.value);
                }
            }
            Value::Map(items) => {
                for item in items {
                    self.visit_value(&item.value);
                }
            }
            _ => {}
        }
    }
}
