//! What is to be checked (`HealthCheckSpecifier`), made into clusters that nobody but their checks uses.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use nuncio_config::diagnostic::Diagnostics;
use nuncio_config::resources::{first_error, unpack};
use nuncio_config::runtime::RuntimeKeys;
use nuncio_config::span::Span;
use nuncio_config::tree::{Entry, Message, Value, same};
use nuncio_config::typed::Ctx;
use nuncio_config::wire::discovery::{RawAny, open};
use nuncio_contract::access_log::AccessLogFiles;
use nuncio_contract::services::WorkerServices;
use nuncio_upstream::ClusterManager;
use nuncio_upstream::cluster::ClusterShared;
use nuncio_upstream::config::ClusterConfig;
use nuncio_upstream::discovery::prepare;
use nuncio_upstream::health_checker::HealthChecks;

use super::HdsStats;
use crate::log;
use crate::message_tree::{list, message, text, value};

const SPECIFIER: &str = "envoy.service.health.v3.HealthCheckSpecifier";
const ENDPOINTS: &str = "envoy.config.endpoint.v3.LocalityLbEndpoints";
const ENDPOINT: &str = "envoy.config.endpoint.v3.LbEndpoint";
/// The time for a connection, as in Envoy.
const CONNECT_TIMEOUT_S: i64 = 1;
const DEFAULT_INTERVAL: Duration = Duration::from_secs(1);

/// What is to be checked.
pub(super) struct Specifier(Arc<Message>);

/// A cluster that is checked.
pub(super) struct Checked {
    message: Arc<Message>,
    cluster: Arc<ClusterShared>,
    _checks: Option<HealthChecks>,
}

/// Makes clusters.
pub(super) struct Maker {
    manager: Arc<ClusterManager>,
    keys: RuntimeKeys,
    files: Option<&'static dyn AccessLogFiles>,
    services: Rc<dyn WorkerServices>,
}

/// Reads a message of the server, and checks its rules.
pub(super) fn read(bytes: &[u8]) -> Result<Specifier, String> {
    let raw = RawAny {
        type_url: format!("type.googleapis.com/{SPECIFIER}"),
        value: bytes.to_vec(),
    };
    let (mut unknown, mut found) = (Vec::new(), Diagnostics::default());
    let message =
        open(&raw, &mut unknown, &mut found).and_then(|any| unpack(SPECIFIER, &any, &mut found));
    message.map(Specifier).ok_or_else(|| first_error(&found))
}

impl Specifier {
    /// How often is reported.
    pub(super) fn interval(&self) -> Duration {
        let Some(Value::Duration(seconds, nanos)) = self.0.find(&["interval"]) else {
            return DEFAULT_INTERVAL;
        };
        let seconds = u64::try_from(*seconds).unwrap_or(0);
        let interval = Duration::new(seconds, u32::try_from(*nanos).unwrap_or(0));
        // One that is nothing would report without end.
        interval.max(Duration::from_millis(1))
    }

    fn clusters(&self) -> impl Iterator<Item = Arc<Message>> {
        messages(&self.0, "cluster_health_checks").filter_map(|one| cluster(one).map(Arc::new))
    }
}

impl Checked {
    pub(super) fn cluster(&self) -> &ClusterShared {
        &self.cluster
    }
}

impl Maker {
    pub(super) fn new(
        around: &crate::bootstrap::Surroundings<'_>,
        services: &Rc<dyn WorkerServices>,
    ) -> Self {
        Maker {
            manager: Arc::clone(around.manager),
            keys: around.runtime.keys.clone(),
            files: around.extensions.access_log_files,
            services: Rc::clone(services),
        }
    }

    /// What is checked from now on: of `known` what is to be checked as before, and the rest anew.
    pub(super) fn make(
        &self,
        specifier: &Specifier,
        mut known: Vec<Checked>,
        stats: &HdsStats,
    ) -> Vec<Checked> {
        let mut checked = Vec::new();
        for message in specifier.clusters() {
            let at = known.iter().position(|one| same(&one.message, &message));
            let made = match at {
                Some(at) => Ok(known.swap_remove(at)),
                None => self.begin(&message),
            };
            match made {
                Ok(made) => checked.push(made),
                Err(why) => {
                    stats.errors.inc();
                    let text = format!("HDS: cluster cannot be checked: {why}");
                    log::warning("upstream", &text);
                }
            }
        }
        checked
    }

    fn begin(&self, message: &Arc<Message>) -> Result<Checked, String> {
        let mut ctx = Ctx::new(false);
        ctx.runtime = self.keys.clone();
        let config = ClusterConfig::parse(message, &mut ctx).and_then(|config| {
            config.open_event_logs(self.files, &mut ctx)?;
            Ok(config)
        });
        let config = config.map_err(|_| first_error(&ctx.diagnostics))?;
        let cluster = prepare(&self.manager, config, true).cluster;
        let checks = HealthChecks::begin(&cluster, Rc::clone(&self.services));
        Ok(Checked {
            message: Arc::clone(message),
            cluster,
            _checks: checks,
        })
    }
}

/// The cluster of a `ClusterHealthCheck`.
fn cluster(check: &Message) -> Option<Message> {
    let name = check.find(&["cluster_name"]).and_then(Value::as_str);
    let name = name.unwrap_or_default();
    let localities = messages(check, "locality_endpoints").filter_map(|of| locality(of));
    let assignment = value(
        "envoy.config.endpoint.v3.ClusterLoadAssignment",
        vec![
            ("cluster_name", text(name)),
            ("endpoints", list(localities)),
        ],
    )?;
    let mut cluster = message(
        "envoy.config.cluster.v3.Cluster",
        vec![
            ("name", text(name)),
            ("connect_timeout", Value::Duration(CONNECT_TIMEOUT_S, 0)),
            ("load_assignment", assignment),
        ],
    )?;
    for field in [
        "health_checks",
        "transport_socket_matches",
        "upstream_bind_config",
    ] {
        if let Some(value) = check.find(&[field]) {
            let number = cluster.descriptor.field(field)?.number();
            cluster.set(Entry::new(number, Span::NONE, Span::NONE, value.clone()));
        }
    }
    Some(cluster)
}

fn locality(of: &Message) -> Option<Value> {
    let endpoints = messages(of, "endpoints").filter_map(|endpoint| {
        let endpoint = Value::Message(Arc::clone(endpoint));
        value(ENDPOINT, vec![("endpoint", endpoint)])
    });
    let mut fields = vec![("lb_endpoints", list(endpoints))];
    if let Some(place) = of.find(&["locality"]) {
        fields.push(("locality", place.clone()));
    }
    value(ENDPOINTS, fields)
}

fn messages<'m>(of: &'m Message, field: &str) -> impl Iterator<Item = &'m Arc<Message>> {
    let items = of.find(&[field]).and_then(Value::as_list);
    let items = items.unwrap_or_default().iter();
    items.filter_map(|item| item.value.as_message())
}
