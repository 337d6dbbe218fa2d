//! Why a request goes where it goes: `nuncio explain` and the admin's `/explain`.
//!
//! The listener is chosen here; all that follows is told by [`nuncio_http::explain`], with the code that serves
//! requests; then places in the configuration and the cluster's hosts are looked up. Nothing is sent and nothing
//! is counted. Envoy has nothing like it.
//!
//! Limits: a URL of 16 KiB, 100 headers of 16 KiB together; 50 routes unless all are asked for, of which the
//! admin gives 1000.

mod clusters;
mod json;
mod listener;
mod places;
mod routes_of_files;
mod text;
mod tolerant;
mod upstream;
mod url;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use nuncio_config::lines::Lines;
use nuncio_config::tree::Message;
use nuncio_contract::stream_info::Address;
use nuncio_http::connection_manager::ConnectionManagerConfig;
use nuncio_http::explain::{Asked, Explanation, Listing, Outcome, explain};
use nuncio_http::route::RouteTable;
use nuncio_upstream::ClusterManager;

use crate::listener::CompiledListener;
use listener::Choice;
use places::{Place, Places};
use upstream::Upstream;
use url::Url;

pub(crate) use clusters::{add_cluster, resolve};
pub(crate) use json::render as render_json;
pub(crate) use text::render as render_text;
pub(crate) use tolerant::{Chain, Tolerated};

const MOST_URL_BYTES: usize = 16 << 10;
const MOST_HEADERS: usize = 100;
const MOST_HEADER_BYTES: usize = 16 << 10;
/// A client that is nobody in particular: an address for documentation (RFC 5737).
const SOMEBODY: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// What somebody wants to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// The method.
    pub method: String,
    /// The URL; without a scheme it is `http`.
    pub url: String,
    /// Headers besides `host`.
    pub headers: Vec<(String, String)>,
    /// The name of the listener; chosen by the URL's port if none is given.
    pub listener: Option<String>,
    /// The client's address.
    pub source: Option<IpAddr>,
    /// Whether the client speaks TLS to us.
    pub is_tls: bool,
    /// What every draw yields.
    pub random: u64,
    /// Which routes are told.
    pub listing: Listing,
}

impl Question {
    /// A header from `name: value`.
    pub(crate) fn header(text: &str) -> Result<(String, String), String> {
        let (name, value) = text
            .split_once(':')
            .ok_or_else(|| format!("a header is written `name: value`, not `{text}`"))?;
        Ok((name.trim().to_owned(), value.trim().to_owned()))
    }
}

/// A filter chain of a listener, which is the only one unless said otherwise.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'a> {
    /// The listener.
    pub listener: &'a CompiledListener,
    /// What this chain runs.
    pub manager: &'a ConnectionManagerConfig,
    /// What it is called.
    pub chain_name: &'a str,
    /// Its routes of now.
    pub routes: &'a Arc<RouteTable>,
    /// The address that it is bound to, if it is one of IP.
    pub address: Option<SocketAddr>,
    /// The listener's place in the config, for one without a name.
    pub place: usize,
    /// The chain's place in the listener.
    pub chain: usize,
}

impl Entry<'_> {
    /// The address that it is bound to.
    fn shown(&self) -> String {
        match self.address {
            Some(address) => address.to_string(),
            None => self.listener.address.to_string(),
        }
    }

    /// Who asks, and to which address.
    fn ends(&self, question: &Question, url: &Url) -> (Address, Address) {
        let local = match self.address {
            Some(at) if at.ip().is_unspecified() => {
                let ip = url.ip().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
                Address::Ip(SocketAddr::new(ip, at.port()))
            }
            Some(at) => Address::Ip(at),
            None => self.listener.address.shown(),
        };
        // Who comes by a path has its address.
        let remote = match (question.source, self.address) {
            (None, None) => local.clone(),
            (source, _) => Address::Ip(SocketAddr::new(source.unwrap_or(SOMEBODY), 0)),
        };
        (remote, local)
    }

    fn port(&self) -> Option<u16> {
        self.address.map(|address| address.port())
    }

    fn ip(&self) -> Option<IpAddr> {
        self.address.map(|address| address.ip())
    }
}

/// What is running, or would run.
pub(crate) struct Subject<'a> {
    /// What requests may come in by.
    pub listeners: Vec<Entry<'a>>,
    /// The clusters.
    pub clusters: &'a ClusterManager,
    /// The bootstrap.
    pub tree: &'a Arc<Message>,
    /// Where its lines begin.
    pub lines: &'a Lines,
}

/// The answer to a [`Question`].
pub(crate) struct Report {
    method: String,
    url: Url,
    listener: ListenerTold,
    explanation: Explanation,
    places: RoutePlaces,
    upstream: Option<Upstream>,
}

struct ListenerTold {
    name: String,
    address: String,
    how: String,
    how_chain: String,
    is_tls: bool,
    /// TLS is what the question says, not the configuration.
    is_assumed_tls: bool,
    stat_prefix: String,
    filter_chain: String,
    place: Option<Place>,
    chain_place: Option<Place>,
}

#[derive(Default)]
struct RoutePlaces {
    table: Option<Place>,
    virtual_host: Option<Place>,
    /// As many as routes are told.
    routes: Vec<Option<Place>>,
}

impl Subject<'_> {
    /// Answers a question, or says what is wrong with it.
    pub(crate) fn answer(&self, question: &Question) -> Result<Report, String> {
        check_limits(question)?;
        let mut url = Url::parse(&question.url)?;
        let (hosts, headers): (Vec<_>, Vec<_>) = question
            .headers
            .iter()
            .cloned()
            .partition(|(name, _)| name.eq_ignore_ascii_case("host"));
        let wanted = question.listener.as_deref();
        let chosen = Choice::make(&self.listeners, self.tree, &url, wanted)?;
        let Entry {
            listener,
            manager,
            chain_name,
            routes,
            ..
        } = chosen.entry;
        let places = Places::new(self.tree, self.lines, &chosen.entry);
        let is_tls = question.is_tls || places.speaks_tls();
        let (remote, local) = chosen.entry.ends(question, &url);
        // As clients do it: a `host` that is given replaces the URL's, which still says where to connect.
        if let Some((_, host)) = hosts.into_iter().next_back() {
            url.authority = host;
        }
        let is_connect = question.method == "CONNECT";
        if is_connect {
            url.ask_for_tunnel();
        }
        let asked = Asked {
            method: &question.method,
            authority: &url.authority,
            target: if is_connect {
                &url.authority
            } else {
                &url.target
            },
            headers: &headers,
            remote,
            local,
            is_tls,
            random: question.random,
        };
        let explanation = explain(manager, routes, self.clusters, &asked, question.listing)
            .map_err(|wrong| wrong.0)?;
        Ok(Report {
            method: question.method.clone(),
            listener: ListenerTold {
                name: listener.name.clone(),
                address: chosen.entry.shown(),
                how: chosen.how,
                how_chain: chosen.how_chain,
                is_tls,
                is_assumed_tls: question.is_tls && !places.speaks_tls(),
                stat_prefix: manager.stat_prefix.to_string(),
                filter_chain: chain_name.to_owned(),
                place: places.listener(),
                chain_place: places.filter_chain(),
            },
            places: route_places(&places, &explanation),
            upstream: match &explanation.outcome {
                Outcome::Forward(forwarding) => Upstream::tell(self.clusters, forwarding, &places),
                Outcome::Answer(_) => None,
            },
            explanation,
            url,
        })
    }
}

fn check_limits(question: &Question) -> Result<(), String> {
    let header_bytes: usize = question
        .headers
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    if question.url.len() > MOST_URL_BYTES {
        return Err(format!("the URL has more than {MOST_URL_BYTES} bytes"));
    }
    if question.headers.len() > MOST_HEADERS || header_bytes > MOST_HEADER_BYTES {
        return Err(format!(
            "there are more than {MOST_HEADERS} headers, or more than {MOST_HEADER_BYTES} bytes of them"
        ));
    }
    Ok(())
}

fn route_places(places: &Places<'_>, explanation: &Explanation) -> RoutePlaces {
    let Some(routing) = &explanation.routing else {
        return RoutePlaces::default();
    };
    let host = routing.virtual_host.as_ref().map(|(place, _)| *place);
    RoutePlaces {
        table: places.route_table(),
        virtual_host: host.and_then(|host| places.virtual_host(host)),
        routes: routing
            .routes
            .iter()
            .map(|route| places.route(host?, route.place))
            .collect(),
    }
}
