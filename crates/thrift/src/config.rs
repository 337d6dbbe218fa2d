//! The configuration of the Thrift proxy, compiled once and shared by the workers.

use std::sync::Arc;

use nuncio_codec::thrift::DecoderSettings;
use nuncio_config::typed::{Any, Refused};
use nuncio_contract::access_log::{self, AccessLogConfig};
use nuncio_contract::stats::Scope;

use crate::context::CompileContext;
use crate::filters::{self, Chain};
use crate::messages::ThriftProxyMessage;
use crate::routes::Routes;
use crate::stats::{ProxyStats, RouterStats};

/// The compiled config.
pub struct ThriftProxyConfig {
    /// `thrift.<stat_prefix>.`
    pub(crate) scope: Scope,
    pub(crate) decoder: DecoderSettings,
    pub(crate) passes_payload: bool,
    pub(crate) most_requests: Option<u32>,
    pub(crate) access_logs: Vec<Arc<dyn AccessLogConfig>>,
    pub(crate) routes: Routes,
    pub(crate) chain: Chain,
    pub(crate) service_cluster: Box<str>,
}

impl ThriftProxyConfig {
    /// Compiles the filter's message; every mistake is in the context.
    ///
    /// # Errors
    /// Something in it is wrong or not supported.
    pub fn compile(any: &Any, context: &mut CompileContext<'_>) -> Result<Self, Refused> {
        let message: ThriftProxyMessage = any.decode(context.ctx)?;
        let scope = context
            .stats
            .scope(&format!("thrift.{}", message.stat_prefix));
        scope.register::<ProxyStats>();
        let routes = match &message.route_config {
            Some(routes) => Routes::compile(routes, context),
            None => Ok(Routes::default()),
        };
        let chain = filters::compile(&message.thrift_filters, context.ctx);
        let logs: Vec<_> = message
            .access_log
            .iter()
            .map(|log| access_log::compile(log, context.access_loggers, context.ctx))
            .collect();
        let chain = chain?;
        if chain.has_router {
            scope.register::<RouterStats>();
        }
        Ok(ThriftProxyConfig {
            scope,
            decoder: DecoderSettings {
                transport: message.transport.known(),
                protocol: message.protocol.known(),
                keeps_case: message.header_keys_preserve_case,
            },
            passes_payload: message.payload_passthrough,
            most_requests: message.max_requests_per_connection.filter(|most| *most > 0),
            access_logs: logs.into_iter().collect::<Result<_, _>>()?,
            routes: routes?,
            chain,
            service_cluster: context.service_cluster.into(),
        })
    }
}
