//! The messages of the gRPC statistics filter.

use std::collections::HashSet;
use std::sync::Arc;

use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_config::{message, one_of};
use nuncio_contract::http_filter::HttpFilterConfig;

message! {
    /// The filter's config.
    pub(super) struct FilterConfig: "envoy.extensions.filters.http.grpc_stats.v3.FilterConfig" {
        emit_filter_state: bool,
        oneof per_method_stat_specifier: Option<PerMethod>,
        enable_upstream_stats: bool,
        replace_dots_in_grpc_service_name: bool,
    }
}

one_of! {
    /// Which methods are counted apart.
    pub(super) enum PerMethod {
        individual_method_stats_allowlist => Listed(GrpcMethodList),
        stats_for_all_methods => All(bool),
    }
}

message! {
    /// Services and their methods.
    pub(super) struct GrpcMethodList: "envoy.config.core.v3.GrpcMethodList" {
        services: Vec<Service>,
    }
}

message! {
    /// A service and its methods.
    pub(super) struct Service: "envoy.config.core.v3.GrpcMethodList.Service" {
        name: String,
        method_names: Vec<String>,
    }
}

/// A service and a method of it.
type Method = (Box<[u8]>, Box<[u8]>);

/// Which calls are counted under the names of their service and method.
#[derive(Debug)]
pub(super) enum Named {
    /// All of them.
    All {
        /// Whether dots in a service's name become underscores.
        replaces_dots: bool,
    },
    /// Those of these methods.
    These(HashSet<Method>),
}

/// The compiled config.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) named: Named,
    pub(super) leaves_filter_state: bool,
    pub(super) records_times: bool,
}

/// The chain's config, shared by the workers.
pub(super) struct ChainConfig(pub(super) Arc<Settings>);

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn HttpFilterConfig>, Refused> {
    let message: FilterConfig = any.decode(ctx)?;
    let named = match message.per_method_stat_specifier {
        Some(PerMethod::All(true)) => Named::All {
            replaces_dots: message.replace_dots_in_grpc_service_name,
        },
        Some(PerMethod::Listed(list)) => Named::These(methods(list)),
        Some(PerMethod::All(false)) | None => Named::These(HashSet::new()),
    };
    Ok(Arc::new(ChainConfig(Arc::new(Settings {
        named,
        leaves_filter_state: message.emit_filter_state,
        records_times: message.enable_upstream_stats,
    }))))
}

fn methods(list: GrpcMethodList) -> HashSet<Method> {
    let mut all = HashSet::new();
    for service in list.services {
        let name: Box<[u8]> = service.name.into_bytes().into();
        let methods = service.method_names.into_iter();
        all.extend(methods.map(|method| (name.clone(), method.into_bytes().into())));
    }
    all
}
