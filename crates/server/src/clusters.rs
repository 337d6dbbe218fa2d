//! Clusters of the bootstrap: parsed, added to the manager, their hosts published or their discovery begun.

use std::rc::Rc;
use std::sync::Arc;

use nuncio_config::tree::{Entry, Message, Value};
use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_contract::access_log::AccessLogConfig;
use nuncio_contract::registry::Extensions;
use nuncio_net::dns::Resolver;
use nuncio_upstream::ClusterManager;
use nuncio_upstream::config::ClusterConfig;
use nuncio_upstream::discovery::{DnsDiscovery, Started, begin, start};

/// Clusters whose names are still to be resolved.
#[derive(Default)]
pub(crate) struct Pending(Vec<DnsDiscovery>);

/// Adds every cluster; all that is wrong is reported.
pub(crate) fn load(
    messages: &[Arc<Message>],
    manager: &ClusterManager,
    ctx: &mut Ctx,
) -> Result<Pending, Refused> {
    let mut pending = Pending::default();
    let mut sound = true;
    for message in messages {
        match ClusterConfig::parse(message, ctx) {
            Ok(config) if manager.find(&config.settings.name).is_some() => {
                let text = format!(
                    "cluster manager: duplicate cluster '{}'",
                    config.settings.name
                );
                ctx.error(message.span, text);
                sound = false;
            }
            Ok(config) => add(config, manager, &mut pending),
            Err(Refused) => {
                reserve_name(message, manager);
                sound = false;
            }
        }
    }
    if sound { Ok(pending) } else { Err(Refused) }
}

fn add(config: ClusterConfig, manager: &ClusterManager, pending: &mut Pending) {
    if let (_, Started::Resolving(discovery)) = start(manager, config, false) {
        pending.0.push(discovery);
    }
}

/// A refused cluster's name counts as known, so that routes to it are no errors of their own.
fn reserve_name(message: &Message, manager: &ClusterManager) {
    if let Some(name) = message
        .get_by_name("name")
        .and_then(|entry| entry.value.as_str())
    {
        let settings = nuncio_upstream::cluster::ClusterSettings::named(name);
        manager.add_or_update(settings, nuncio_upstream::TransportSocket::default(), false);
    }
}

impl Pending {
    /// Begins discovery, and waits for the first answers of the clusters that the start waits for.
    pub(crate) async fn start(self) {
        if self.0.is_empty() {
            return;
        }
        let resolver = Resolver::default();
        begin(self.0, &Rc::new(resolver)).await;
    }
}

/// `admin.access_log_path`: a file access log with the default format.
pub(crate) fn file_access_log(
    path: &str,
    extensions: &Extensions,
    ctx: &mut Ctx,
) -> Result<Arc<dyn AccessLogConfig>, Refused> {
    const FILE: &str = "envoy.extensions.access_loggers.file.v3.FileAccessLog";
    let span = nuncio_config::span::Span::NONE;
    let descriptor = nuncio_api::message(FILE).ok_or(Refused)?;
    let field = descriptor.field("path").ok_or(Refused)?;
    let entry = Entry::new(field.number(), span, span, Value::String(path.into()));
    let message = Arc::new(Message::with_entries(descriptor, span, vec![entry]));
    let any = Any {
        type_url: format!("type.googleapis.com/{FILE}").into(),
        message,
        span,
    };
    let room = extensions.access_logger(FILE).ok_or(Refused)?;
    (room.parse)(&any, ctx)
}
