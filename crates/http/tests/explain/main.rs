//! What is told of a request is what happens to it: against the route table itself, on given and on made-up
//! configurations and requests.
#![forbid(unsafe_code)]

mod answers;
mod made_up;
mod matches;

use std::sync::Arc;

use nuncio_config::source::{Format, Source};
use nuncio_config::span::Span;
use nuncio_config::typed::{Any, Ctx};
use nuncio_config::{interpret, text};
use nuncio_contract::registry::Extensions;
use nuncio_contract::stats::StatsStore;
use nuncio_http::connection_manager::ConnectionManagerConfig;
use nuncio_http::connection_manager::config::{CompileContext, MESSAGE};
use nuncio_http::explain::{Asked, Explanation, Listing, Outcome, explain};
use nuncio_http::route::RouteTable;
use nuncio_upstream::cluster::ClusterSettings;
use nuncio_upstream::{ClusterManager, TransportSocket};

struct Server {
    manager: ConnectionManagerConfig,
    routes: Arc<RouteTable>,
    clusters: ClusterManager,
}

/// A server with these virtual hosts, more of the connection manager's fields, and clusters `a` and `b`.
fn server_with(virtual_hosts: &str, more: &str) -> Server {
    let yaml = format!(
        "stat_prefix: test\nroute_config: {{name: table, virtual_hosts: {virtual_hosts}}}\n\
         http_filters: [{{name: router, typed_config: \
         {{'@type': type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}}}]\n{more}"
    );
    let mut ctx = Ctx::default();
    let source = Source::new("manager.yaml", Format::Yaml, yaml.as_str());
    let node = text::parse(&source, 0, &text::Limits::default(), &mut ctx.diagnostics);
    let descriptor = nuncio_api::message(MESSAGE).expect("the API has the connection manager");
    let tree = node.and_then(|node| interpret::interpret(descriptor, &node, &mut ctx.diagnostics));
    let any = Any {
        type_url: MESSAGE.into(),
        message: Arc::new(tree.unwrap_or_else(|| panic!("{yaml}: {:?}", ctx.diagnostics))),
        span: Span::NONE,
    };
    let clusters = ClusterManager::new(StatsStore::default());
    for name in ["a", "b"] {
        let settings = ClusterSettings::named(name);
        clusters.publish([clusters.prepare(settings, TransportSocket::default(), false)]);
    }
    let manager = ConnectionManagerConfig::compile(
        &any,
        &mut CompileContext {
            ctx: &mut ctx,
            extensions: &Extensions::default(),
            cluster_id: &mut |name| clusters.reserve(name),
            known_clusters: &|_| true,
            service_cluster: "",
            service_node: "",
            default_tracer: None,
            buffer_limit_bytes: 1 << 20,
            is_outbound: false,
        },
    );
    let (manager, routes) = manager.unwrap_or_else(|_| panic!("{yaml}: {:?}", ctx.diagnostics));
    Server {
        manager,
        routes: Arc::new(routes),
        clusters,
    }
}

/// One virtual host for all domains with these routes.
fn server(routes: &str) -> Server {
    server_with(
        &format!("[{{name: all, domains: ['*'], routes: {routes}}}]"),
        "",
    )
}

impl Server {
    fn tell(&self, target: &str, headers: &[(&str, &str)]) -> Explanation {
        self.tell_all(target, "example.com", headers, 0)
    }

    fn tell_all(
        &self,
        target: &str,
        authority: &str,
        headers: &[(&str, &str)],
        random: u64,
    ) -> Explanation {
        self.ask("GET", target, authority, headers, random)
    }

    fn connect(&self, target: &str, headers: &[(&str, &str)]) -> Explanation {
        self.ask("CONNECT", target, target, headers, 0)
    }

    fn ask(
        &self,
        method: &str,
        target: &str,
        authority: &str,
        headers: &[(&str, &str)],
        random: u64,
    ) -> Explanation {
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let address = |text: &str| {
            let address: std::net::SocketAddr = text.parse().expect("an address");
            address.into()
        };
        let asked = Asked {
            method,
            authority,
            target,
            headers: &headers,
            remote: address("192.0.2.1:0"),
            local: address("127.0.0.1:10000"),
            is_tls: false,
            random,
        };
        explain(
            &self.manager,
            &self.routes,
            &self.clusters,
            &asked,
            Listing::All,
        )
        .unwrap_or_else(|wrong| panic!("{target}: {wrong:?}"))
    }

    /// Why the first route does not match; empty if it does.
    fn why_not(&self, target: &str, headers: &[(&str, &str)]) -> String {
        let told = self.tell(target, headers);
        let routing = told.routing.expect("the request is routed");
        let first = routing.routes.first().expect("there is a route");
        assert_eq!(routing.taken.is_some(), first.why_not.is_empty());
        first.why_not.join("; ")
    }
}

/// Why the only route, whose match is this, does not match.
fn why_not(matcher: &str, target: &str, headers: &[(&str, &str)]) -> String {
    let routes = format!("[{{match: {matcher}, direct_response: {{status: 200}}}}]");
    server(&routes).why_not(target, headers)
}

fn answer(told: &Explanation) -> String {
    match &told.outcome {
        Outcome::Answer(answer) => {
            let headers = answer.headers.iter();
            let headers: Vec<_> = headers
                .filter(|(name, _)| !name.starts_with("content-"))
                .map(|(name, value)| format!("{name}: {value}"))
                .collect();
            let parts = [
                answer.status.to_string(),
                answer.details.clone(),
                answer.flags.clone(),
                headers.join(", "),
            ];
            parts.join(" ").trim_end().to_owned()
        }
        Outcome::Forward(forward) => format!("forwarded to {}", forward.cluster.name),
    }
}
