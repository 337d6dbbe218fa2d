//! Where resources come from that are not in the configuration itself (`ConfigSource`): clusters, listeners, routes,
//! hosts and secrets alike.
//!
//! Sources are files, servers that are asked by gRPC (`api_config_source`, state of the world or delta) or again and
//! again in JSON (`REST`), and the one server that is asked for everything (`ads`).
//!
//! `self` is refused, as in Envoy.

use std::hash::{Hash, Hasher};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use nuncio_config::span::Span;
use nuncio_config::tree::{Message, Value};
use nuncio_config::typed::{Any, Ctx, FromValue, Refused, Spanned, SupportTable};
use nuncio_config::{enumeration, message, one_of};

use crate::data_source::WatchedDirectory;
use crate::grpc_client::{GrpcServiceMessage, GrpcTarget};

/// How long a subscription waits for its first resources before it goes on without them.
pub const INITIAL_FETCH_TIMEOUT: Duration = Duration::from_secs(15);
/// The shortest pause before a stream that ended is opened again.
const BASE_PAUSE: Duration = Duration::from_millis(500);
/// The longest one.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The shortest pause between requests of REST; Envoy takes none at all as well, and breaks on it.
const SHORTEST_REFRESH: Duration = Duration::from_millis(1);
/// How long an answer of REST may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(1);
/// The one validator that there is.
const MINIMUM_CLUSTERS: &str =
    "envoy.extensions.config.validators.minimum_clusters.v3.MinimumClustersValidator";
/// The guard of servers that are asked in the place of others.
const FAILOVER: &str = "envoy.restart_features.xds_failover_support";
/// How many requests may be sent at once where there is a limit.
const MOST_TOKENS: u32 = 100;
/// How many more may be sent each second.
const TOKENS_PER_SECOND: f64 = 10.0;

message! {
    /// A source of resources.
    pub struct ConfigSource: "envoy.config.core.v3.ConfigSource" {
        pub(crate) oneof config_source_specifier: ConfigSourceSpecifier,
        pub(crate) initial_fetch_timeout: Option<Duration>,
        inert resource_api_version = "resources are of v3",
        inert authorities = "servers are chosen by them among `config_sources`, which are refused";
    }
}

one_of! {
    /// The kinds of source.
    pub enum ConfigSourceSpecifier {
        path => Path(Spanned<String>),
        path_config_source => PathConfigSource(PathConfigSource),
        api_config_source => ApiConfigSource(ApiConfigSource),
        ads => Ads(Ads),
    }
}

message! {
    /// A file.
    pub struct PathConfigSource: "envoy.config.core.v3.PathConfigSource" {
        pub(crate) path: Spanned<String>,
        pub(crate) watched_directory: Option<WatchedDirectory>,
    }
}

/// A source by its message, for who hands it on to whoever subscribes. It has been looked at, so that a source that is
/// not supported is refused where it stands.
#[derive(Clone, Debug)]
pub struct SourceMessage(pub Arc<Message>);

impl FromValue for SourceMessage {
    fn from_value(value: &Value, span: Span, ctx: &mut Ctx) -> Result<Self, Refused> {
        ConfigSource::from_value(value, span, ctx)?.source(ctx)?;
        Arc::from_value(value, span, ctx).map(SourceMessage)
    }

    fn support(table: &mut SupportTable) {
        ConfigSource::support(table);
    }
}

message! {
    /// The server that is asked for everything.
    pub struct Ads: "envoy.config.core.v3.AggregatedConfigSource" {}
}

message! {
    /// A server.
    pub struct ApiConfigSource: "envoy.config.core.v3.ApiConfigSource" {
        pub(crate) api_type: ApiType,
        pub(crate) grpc_services: Vec<GrpcServiceMessage>,
        pub(crate) rate_limit_settings: Option<RateLimitSettings>,
        pub(crate) set_node_on_first_message_only: bool,
        inert transport_api_version = "servers speak v3",
        pub(crate) cluster_names: Vec<Spanned<String>>,
        pub(crate) refresh_delay: Option<Duration>,
        pub(crate) request_timeout: Option<Duration>,
        pub(crate) config_validators: Vec<ConfigValidator>,
    }
}

message! {
    /// What else is to hold for what a server says.
    pub struct ConfigValidator: "envoy.config.core.v3.TypedExtensionConfig" {
        inert name = "the type says which extension it is",
        pub(crate) typed_config: Any,
    }
}

message! {
    /// How many clusters are to be left.
    pub struct MinimumClusters: "envoy.extensions.config.validators.minimum_clusters.v3.MinimumClustersValidator" {
        pub(crate) min_clusters_num: u32,
    }
}

enumeration! {
    /// How a server is asked.
    pub enum ApiType: "envoy.config.core.v3.ApiConfigSource.ApiType" {
        REST => Rest,
        GRPC => Grpc,
        DELTA_GRPC => DeltaGrpc,
    }
}

message! {
    /// How many requests are sent.
    pub struct RateLimitSettings: "envoy.config.core.v3.RateLimitSettings" {
        pub(crate) max_tokens: Option<u32>,
        pub(crate) fill_rate: Option<f64>,
    }
}

/// A source of resources, for comparing and for subscribing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ResourceSource {
    /// A file.
    File {
        /// Its path.
        path: Arc<str>,
        /// The directory whose moves tell that it may be another.
        watched_directory: Option<Arc<str>>,
    },
    /// A server that is asked for this alone.
    Server {
        /// Which, and how.
        server: Arc<ServerSource>,
        /// How long the first resources are waited for; no longer than that, or without end.
        fetch_timeout: Option<Duration>,
    },
    /// A server that is asked for this in JSON, again and again.
    Rest {
        /// Which, and how.
        server: Arc<RestSource>,
        /// How long the first resources are waited for; no longer than that, or without end.
        fetch_timeout: Option<Duration>,
    },
    /// The server that is asked for everything.
    Ads {
        /// How long the first resources are waited for; no longer than that, or without end.
        fetch_timeout: Option<Duration>,
    },
}

/// A server of resources that speaks gRPC, and how it is spoken to.
#[derive(Clone, Debug)]
pub struct ServerSource {
    /// Whether it tells what changes, rather than all there is.
    pub is_delta: bool,
    /// Where it is.
    pub target: GrpcTarget,
    /// Where another one is that is asked while it does not answer.
    pub other: Option<GrpcTarget>,
    /// Whether it is told once a stream who asks.
    pub node_once: bool,
    /// The shortest pause before a stream is opened again, and the longest one.
    pub pauses: (Duration, Duration),
    /// How many requests are sent, if that is limited.
    pub rate: Option<RequestRate>,
    /// An update that leaves fewer clusters is rejected.
    pub min_clusters: usize,
    /// All of that, for comparing.
    identity: Box<str>,
}

impl PartialEq for ServerSource {
    fn eq(&self, other: &Self) -> bool {
        self.identity == other.identity
    }
}

impl Eq for ServerSource {}

impl Hash for ServerSource {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity.hash(state);
    }
}

/// A server of resources that is asked by REST.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RestSource {
    /// The cluster, whose name is the authority as well.
    pub cluster: Box<str>,
    /// The shortest pause between an answer and the next request; the longest one is twice that.
    pub refresh_delay: Duration,
    /// How long an answer may take.
    pub request_timeout: Duration,
}

/// A limit of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestRate {
    /// How many may be sent at once.
    pub burst: NonZeroU32,
    /// After how long one more may be sent.
    pub per_request: Duration,
}

impl ConfigSource {
    /// What is to be subscribed to.
    ///
    /// # Errors
    /// If a server is not said as it has to be.
    pub fn source(&self, ctx: &mut Ctx) -> Result<ResourceSource, Refused> {
        let fetch_timeout = self.initial_fetch_timeout.unwrap_or(INITIAL_FETCH_TIMEOUT);
        let fetch_timeout = Some(fetch_timeout).filter(|timeout| !timeout.is_zero());
        let (path, watched) = match &self.config_source_specifier {
            ConfigSourceSpecifier::Path(path) => (path, None),
            ConfigSourceSpecifier::PathConfigSource(file) => {
                (&file.path, file.watched_directory.as_ref())
            }
            ConfigSourceSpecifier::ApiConfigSource(server) => {
                if matches!(server.api_type, ApiType::Rest) {
                    let server = Arc::new(server.rest(ctx)?);
                    return Ok(ResourceSource::Rest {
                        server,
                        fetch_timeout,
                    });
                }
                return Ok(ResourceSource::Server {
                    server: Arc::new(server.server(ctx)?),
                    fetch_timeout,
                });
            }
            ConfigSourceSpecifier::Ads(_) => return Ok(ResourceSource::Ads { fetch_timeout }),
        };
        Ok(ResourceSource::File {
            path: path.value.as_str().into(),
            watched_directory: watched.map(|watched| watched.path.value.as_str().into()),
        })
    }
}

/// What Envoy says where no server is named.
pub const NO_SERVER: &str =
    "API configs must have either a gRPC service or a cluster name defined: ";

impl ApiConfigSource {
    /// The server that is asked by REST.
    fn rest(&self, ctx: &mut Ctx) -> Result<RestSource, Refused> {
        self.check_servers(ctx)?;
        if let Some(validator) = self.config_validators.first() {
            let what = "a validator of configurations that come by REST";
            return Err(ctx.unsupported_here(validator.span(), what));
        }
        let (Some(cluster), Some(refresh_delay)) = (self.cluster_names.first(), self.refresh_delay)
        else {
            let text = "refresh_delay is required for REST API configuration sources";
            ctx.error(self.span(), text);
            return Err(Refused);
        };
        Ok(RestSource {
            cluster: cluster.value.as_str().into(),
            refresh_delay: refresh_delay.max(SHORTEST_REFRESH),
            request_timeout: self.request_timeout.unwrap_or(REQUEST_TIMEOUT),
        })
    }

    /// How many clusters an update is to leave, by all validators.
    fn min_clusters(&self, ctx: &mut Ctx) -> Result<usize, Refused> {
        let mut most = 0;
        for ConfigValidator { typed_config, .. } in &self.config_validators {
            let name = typed_config.type_name();
            if name != MINIMUM_CLUSTERS {
                let what = format!("the validator of configurations `{name}`");
                return Err(ctx.unsupported_here(typed_config.span, what));
            }
            let wanted: MinimumClusters = typed_config.decode(ctx)?;
            most = most.max(usize::try_from(wanted.min_clusters_num).unwrap_or(usize::MAX));
        }
        Ok(most)
    }

    /// Whether servers are named as the kind of source wants it.
    fn check_servers(&self, ctx: &mut Ctx) -> Result<(), Refused> {
        let is_rest = matches!(self.api_type, ApiType::Rest);
        let (clusters, services) = (&self.cluster_names, &self.grpc_services);
        let wrong = match (clusters.len(), services.len()) {
            (0, 0) => NO_SERVER,
            (_, 1..) if is_rest => {
                "envoy.config.core.v3.ApiConfigSource, if not a gRPC type, must not have a gRPC service specified: "
            }
            (2.., _) if is_rest => {
                "envoy.config.core.v3.ApiConfigSource must have a singleton cluster name specified: "
            }
            (1.., _) if !is_rest => {
                "envoy.config.core.v3.ApiConfigSource::(AGGREGATED_)(DELTA_)GRPC must not have a cluster name specified: "
            }
            _ => return Ok(()),
        };
        ctx.error(self.span(), wrong);
        Err(Refused)
    }

    /// Whether neither a service nor a cluster is named.
    pub fn names_nobody(&self) -> bool {
        self.cluster_names.is_empty() && self.grpc_services.is_empty()
    }

    /// The server that is asked for everything, perhaps with another one that is asked while it does not answer.
    ///
    /// # Errors
    /// If there is none, or too many, or it does not speak gRPC.
    pub fn server_of_all(&self, ctx: &mut Ctx) -> Result<ServerSource, Refused> {
        let other = match self.grpc_services.get(1) {
            Some(other) if fails_over(ctx) => Some(other.compile(ctx)?),
            _ => None,
        };
        let server = self.first_server(ctx)?;
        let identity = format!("{} {other:?}", server.identity);
        Ok(ServerSource {
            other,
            identity: identity.into(),
            ..server
        })
    }

    /// The server.
    ///
    /// # Errors
    /// If there is not exactly one, or it does not speak gRPC.
    pub fn server(&self, ctx: &mut Ctx) -> Result<ServerSource, Refused> {
        if let [_, other] = self.grpc_services.as_slice()
            && fails_over(ctx)
        {
            let what = "a second server, but in `ads_config`";
            return Err(ctx.unsupported_here(other.span(), what));
        }
        self.first_server(ctx)
    }

    fn first_server(&self, ctx: &mut Ctx) -> Result<ServerSource, Refused> {
        self.check_servers(ctx)?;
        if matches!(self.api_type, ApiType::Rest) {
            let text = "envoy.config.core.v3.ApiConfigSource type must be of non-aggregated gRPC: ";
            ctx.error(self.span(), text);
            return Err(Refused);
        }
        let most = 1 + usize::from(fails_over(ctx));
        let service = self.grpc_services.first();
        let Some(service) = service.filter(|_| self.grpc_services.len() <= most) else {
            let text = format!(
                "envoy.config.core.v3.ApiConfigSource::(AGGREGATED_)(DELTA_)GRPC must have no more than {most} gRPC services specified: "
            );
            ctx.error(self.span(), text);
            return Err(Refused);
        };
        let target = service.compile(ctx)?;
        let pauses = target.back_off().unwrap_or((BASE_PAUSE, LONGEST_PAUSE));
        let is_delta = matches!(self.api_type, ApiType::DeltaGrpc);
        let node_once = self.set_node_on_first_message_only;
        let rate = self
            .rate_limit_settings
            .as_ref()
            .map(RateLimitSettings::rate);
        let min_clusters = self.min_clusters(ctx)?;
        let identity =
            format!("{is_delta} {target:?} {node_once} {pauses:?} {rate:?} {min_clusters}");
        Ok(ServerSource {
            is_delta,
            target,
            other: None,
            node_once,
            pauses,
            rate,
            min_clusters,
            identity: identity.into(),
        })
    }
}

/// Whether servers may have others that are asked in their place.
fn fails_over(ctx: &Ctx) -> bool {
    ctx.runtime.key(FAILOVER).boolean(false)
}

impl RateLimitSettings {
    fn rate(&self) -> RequestRate {
        let per_second = self.fill_rate.unwrap_or(TOKENS_PER_SECOND);
        RequestRate {
            burst: NonZeroU32::new(self.max_tokens.unwrap_or(MOST_TOKENS))
                .unwrap_or(NonZeroU32::MIN),
            per_request: Duration::try_from_secs_f64(1.0 / per_second).unwrap_or(Duration::MAX),
        }
    }
}
