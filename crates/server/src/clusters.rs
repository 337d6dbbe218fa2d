//! Clusters of the bootstrap: parsed, and nothing more; see [`crate::running`] for how they come to run.

use std::collections::HashSet;
use std::sync::Arc;

use nuncio_config::tree::{Entry, Message, Value};
use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_contract::access_log::AccessLogConfig;
use nuncio_contract::registry::Extensions;
use nuncio_upstream::config::ClusterConfig;

use crate::config::ClusterManagerMessage;
use crate::resource::{ClusterResource, Version, wishes_since};

/// The names of all clusters; a refused one's too, so that routes to it are no errors of their own.
pub(crate) fn names(messages: &[Arc<Message>]) -> HashSet<&str> {
    messages
        .iter()
        .filter_map(|message| message.find(&["name"])?.as_str())
        .collect()
}

/// Parses every cluster; all that is wrong is reported.
pub(crate) fn load(
    messages: &[Arc<Message>],
    extensions: &Extensions,
    ctx: &mut Ctx,
) -> Vec<ClusterResource> {
    let mut resources = Vec::with_capacity(messages.len());
    let mut known = HashSet::new();
    for message in messages {
        let files_before = ctx.files.len();
        let secrets_before = ctx.secrets_used.len();
        let wanted_before = ctx.secrets_wanted.len();
        let parsed = ClusterConfig::parse(message, ctx).and_then(|mut config| {
            config.compile_filters(extensions.http_filters, ctx)?;
            config.open_event_logs(extensions.access_log_files, ctx)?;
            Ok((config, wishes_since(wanted_before, ctx)?))
        });
        match parsed {
            Ok((config, _)) if !known.insert(config.settings.name.clone()) => {
                let text = format!(
                    "cluster manager: duplicate cluster '{}'",
                    config.settings.name
                );
                let place = message.get_by_name("name").map(|name| name.span);
                ctx.error(place.unwrap_or(message.span), text);
            }
            Ok((config, wanted)) => resources.push(ClusterResource {
                version: Version {
                    message: Arc::clone(message),
                    files: ctx.files.split_off(files_before),
                    secrets: ctx.secrets_used.split_off(secrets_before),
                    wanted,
                },
                config,
                update: None,
            }),
            Err(Refused) => {}
        }
    }
    resources
}

/// Where connections come from of clusters that say nothing themselves.
pub(crate) fn bind_by_default(
    manager: Option<&ClusterManagerMessage>,
    clusters: &mut [ClusterResource],
    ctx: &mut Ctx,
) -> Result<(), Refused> {
    let bind = manager.and_then(|manager| manager.upstream_bind_config.as_ref());
    let bound = bind
        .map(|bind| bind.compile("Bootstrap", ctx))
        .transpose()?;
    if let Some(bound) = bound {
        for cluster in clusters {
            cluster.config.bind_by_default(&bound);
        }
    }
    Ok(())
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
