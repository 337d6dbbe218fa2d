//! Where a connection manager's routes come from that are not in its own configuration (`rds`), and how what comes is
//! compiled for it. Until something comes there are no routes, so that every request is answered with 404.

use std::sync::Arc;

use nuncio_config::tree::{Message, Value};
use nuncio_config::typed::{Ctx, Refused, decode};
use nuncio_contract::config_source::ResourceSource;
use nuncio_contract::on_demand_message::RoutesWith;
use nuncio_contract::registry::Extensions;
use nuncio_upstream::ClusterId;

use crate::config::connection_manager::Rds;
use crate::config::route::{RouteConfiguration, Vhds};
use crate::route::{More, RouteCompiler, RouteTable};

/// A source of routes.
#[derive(Clone, Debug)]
pub struct RouteSource {
    /// The name of the route configuration.
    pub name: Box<str>,
    /// Who has it.
    pub source: ResourceSource,
    /// `http.<stat_prefix>.rds.<name>.` is where its updates count.
    pub stat_prefix: Box<str>,
    pub(super) filter_names: Box<[String]>,
}

/// Virtual hosts from elsewhere are for routes that come by `rds` alone.
pub(super) fn refuse_more_hosts(table: &RouteConfiguration, ctx: &mut Ctx) {
    if let Some(vhds) = &table.vhds {
        let what = "virtual hosts from elsewhere (`vhds`) but for routes that come by `rds`";
        ctx.unsupported(vhds.span(), what);
    }
}

/// The rooms, and whether a cluster is there.
pub(crate) type Around<'a> = (&'a Extensions, &'a dyn Fn(&str) -> bool);

impl RouteSource {
    pub(super) fn new(
        rds: &Rds,
        stat_prefix: &str,
        filter_names: Vec<String>,
        ctx: &mut Ctx,
    ) -> Result<Self, Refused> {
        Ok(RouteSource {
            name: rds.route_config_name.as_str().into(),
            source: rds.config_source.source(ctx)?,
            stat_prefix: stat_prefix.into(),
            filter_names: filter_names.into(),
        })
    }

    /// Compiles a route configuration; its clusters need not be there unless it says so.
    ///
    /// # Errors
    /// All mistakes are in `ctx`.
    pub fn compile(
        &self,
        message: &Arc<Message>,
        (extensions, known_clusters): Around<'_>,
        cluster_id: &mut dyn FnMut(&str) -> ClusterId,
        ctx: &mut Ctx,
    ) -> Result<RouteTable, Refused> {
        let table: RouteConfiguration = decode(message, ctx)?;
        let validates = table.validate_clusters == Some(true);
        let mut compiled = RouteCompiler {
            plugins: Default::default(),
            ctx,
            extensions,
            filter_names: &self.filter_names,
            cluster_id,
            known_clusters: validates.then_some(known_clusters),
        }
        .compile(&table)?;
        if table.vhds.is_some() {
            let of = RoutesWith {
                name: self.name.clone(),
                source: self.source.clone(),
            };
            compiled.more = Some(More::Hosts(of.into_source()));
        }
        Ok(compiled)
    }

    /// Who has more virtual hosts of a route configuration that came, if it says so.
    ///
    /// # Errors
    /// If nobody can be asked; in Envoy's words for what Envoy refuses. How `ads` is spoken to is not known here.
    pub fn more_hosts(message: &Message, ctx: &mut Ctx) -> Result<Option<ResourceSource>, Refused> {
        let Some(vhds) = message.find(&["vhds"]).and_then(Value::as_message) else {
            return Ok(None);
        };
        let vhds: Vhds = decode(vhds, ctx)?;
        let source = vhds.config_source.source(ctx)?;
        let is_delta = match &source {
            ResourceSource::Server { server, .. } => server.is_delta,
            ResourceSource::Ads { .. } => true,
            ResourceSource::File { .. } | ResourceSource::Rest { .. } => false,
        };
        if !is_delta {
            let text = "vhds: only 'DELTA_GRPC' or 'ADS' (which uses Delta xDS) is supported as a config source.";
            ctx.error(vhds.span(), text);
            return Err(Refused);
        }
        Ok(Some(source))
    }
}
