//! Where the admin listens, what it answers and what it logs.

use std::sync::Arc;

use nuncio_config::runtime::RuntimeKey;
use nuncio_config::span::Span;
use nuncio_config::typed::{Attempt, Ctx, Refused};
use nuncio_contract::access_log::AccessLogConfig;
use nuncio_contract::matching::CompiledStringMatcher;
use nuncio_contract::registry::Extensions;
use nuncio_net::listen_address::ListenAddress;

use crate::clusters;
use crate::config::{AddressKind, Admin};
use crate::listener::{ConnectionLimits, ip_and_port, pipe};

/// The admin's config.
pub(crate) struct AdminConfig {
    /// Where it listens.
    pub address: ListenAddress,
    /// The paths, with their queries, that are answered; all if there are none.
    pub allow_paths: Vec<CompiledStringMatcher>,
    /// Its access logs.
    pub access_logs: Vec<Arc<dyn AccessLogConfig>>,
    /// How many connections the process may have; none where the admin does not care.
    pub global_limit: RuntimeKey,
}

pub(super) fn compile(
    message: Option<&Attempt<Admin>>,
    extensions: &Extensions,
    ctx: &mut Ctx,
) -> Result<Option<AdminConfig>, Refused> {
    match message {
        Some(Attempt(Ok(admin))) => of_message(admin, extensions, ctx),
        Some(Attempt(Err(Refused))) => Err(Refused),
        None => Ok(None),
    }
}

fn of_message(
    admin: &Admin,
    extensions: &Extensions,
    ctx: &mut Ctx,
) -> Result<Option<AdminConfig>, Refused> {
    let wanted_before = ctx.secrets_wanted.len();
    let mut access_logs: Vec<_> = admin
        .access_log
        .iter()
        .map(|log| nuncio_contract::access_log::compile(log, extensions.access_loggers, ctx))
        .collect::<Vec<_>>();
    if !admin.access_log_path.value.is_empty() {
        access_logs.push(clusters::file_access_log(
            &admin.access_log_path.value,
            extensions,
            ctx,
        ));
    }
    let access_logs = access_logs.into_iter().collect::<Result<_, _>>()?;
    if let Some(wish) = ctx.secrets_wanted.get(wanted_before) {
        // Nobody fetches it.
        let what = format!(
            "the secret `{}` from elsewhere in a log of the admin",
            wish.name
        );
        return Err(ctx.unsupported_here(Span::NONE, what));
    }
    let Some(address) = &admin.address else {
        return Ok(None);
    };
    let address = match &address.address {
        AddressKind::SocketAddress(socket) => ListenAddress::Ip(ip_and_port(socket, ctx)?.0),
        AddressKind::Pipe(message) => ListenAddress::Pipe(pipe(message, ctx)?),
    };
    let allow_paths = admin.allow_paths.iter();
    let allow_paths: Vec<_> = allow_paths
        .map(|matcher| CompiledStringMatcher::compile(matcher, ctx))
        .collect();
    Ok(Some(AdminConfig {
        address,
        allow_paths: allow_paths.into_iter().collect::<Result<_, _>>()?,
        global_limit: ConnectionLimits::key_of_process(
            admin.ignore_global_conn_limit,
            &ctx.runtime,
        ),
        access_logs,
    }))
}
