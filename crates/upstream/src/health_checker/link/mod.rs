//! Connections that checks are done on: opened beside the pools, and read by whoever checks.

mod http1;
mod http2;

use std::net::SocketAddr;
use std::sync::Arc;

use nuncio_contract::headers::HeaderMap;
use nuncio_contract::stats::groups::Http2CodecStats;
use nuncio_contract::stream_info::metadata::Struct;
use nuncio_contract::stream_info::{Address, Metadata};
use nuncio_net::tls::{TlsCounts, Wishes};
use nuncio_net::transport::Transport;
use nuncio_net::{connect, pipe};

use crate::cluster::{ClusterShared, Host};
use crate::http11_proxy;
use crate::socket_match::metadata_of;
use http1::Http1Link;
use http2::Http2Link;

/// The connection is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gone;

/// Opens connections to a cluster's hosts.
pub(crate) struct Dialer {
    pub(super) cluster: Arc<ClusterShared>,
    /// What is offered by ALPN.
    alpn: Box<[Vec<u8>]>,
    /// What their transport sockets are chosen by, in the place of hosts' metadata.
    socket_criteria: Option<Metadata>,
    tls_counts: Option<TlsCounts>,
}

/// A connection that carries requests one by one.
pub(crate) enum Link {
    Http1(Box<Http1Link>),
    Http2(Box<Http2Link>),
}

/// A piece of a response.
pub(crate) enum Part {
    /// Its head; whether it ends with it.
    Head(HeaderMap, bool),
    /// Bytes of its body; whether it ends with them.
    Data(Vec<u8>, bool),
    /// Its end, with trailers.
    Trailers(HeaderMap),
}

/// Why no response comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// The stream alone was reset.
    Stream,
    /// The connection is of no more use.
    Connection,
}

impl Dialer {
    pub(crate) fn new(
        cluster: Arc<ClusterShared>,
        alpn: Box<[Vec<u8>]>,
        socket_criteria: Option<Struct>,
    ) -> Self {
        let is_tls = cluster.sockets().any(|one| one.tls().is_some());
        Self {
            tls_counts: is_tls.then(|| TlsCounts::new(cluster.scope().clone())),
            alpn,
            socket_criteria: socket_criteria.map(metadata_of),
            cluster,
        }
    }

    /// `http` or `https`.
    pub(crate) fn scheme(&self, host: &Host) -> &'static [u8] {
        match self.cluster.socket_of(host).tls() {
            None => b"http",
            Some(_) => b"https",
        }
    }

    /// Counts a connection of HTTP/2 that did not come about, as Envoy's codec is there before its connection.
    pub(super) fn count_http2(&self) {
        let stats: Arc<Http2CodecStats> = self.cluster.scope().worker_group();
        stats.nghttp2_upstream_connections.inc();
    }

    /// Opens a connection to where a host is checked.
    pub(super) async fn open(&self, host: &Host) -> Result<Transport, Gone> {
        self.open_at(host, host.check_address(), host.checked_not_ip())
            .await
    }

    /// Opens a connection to a host at an address, or at one that is no IP address, with its handshake. No timeout of
    /// its own.
    pub(crate) async fn open_at(
        &self,
        host: &Host,
        address: SocketAddr,
        not_ip: Option<&Address>,
    ) -> Result<Transport, Gone> {
        let criteria = self.socket_criteria.as_ref();
        let socket = self.cluster.socket_for_check(host, criteria);
        let settings = &self.cluster.settings;
        let way = http11_proxy::way(socket.http_proxy(), host, socket.tls().is_some());
        let goal = way.map_or(address, |way| way.proxy);
        let not_ip = not_ip.filter(|_| way.is_none());
        let mut tcp = match not_ip {
            // The main thread, which checks hosts, reaches no listener inside of the process.
            Some(Address::Internal(_)) => return Err(Gone),
            Some(Address::Pipe(path)) => pipe::connect(path).await.map_err(|_| Gone)?,
            None | Some(Address::Ip(_)) => connect::connect(goal, &settings.connect_options)
                .await
                .map_err(|_| Gone)?,
        };
        if let Some(way) = way {
            let asked = Box::pin(way.ask(&mut tcp, host)).await;
            let _bytes = asked.map_err(|_| Gone)?;
            tcp = Box::pin(way.answered(tcp)).await.map_err(|_| Gone)?;
        }
        if let Some(proxy) = socket.proxy_protocol() {
            let told = Box::pin(proxy.tell(&mut tcp, None)).await;
            let _bytes = told.map_err(|_| Gone)?;
        }
        let Some(tls) = socket.tls() else {
            return Ok(Transport::plain(tcp));
        };
        let wishes = Wishes {
            only_protocols: Some(&*self.alpn),
            host_name: Some(&*host.hostname).filter(|name| !name.is_empty()),
            ..Wishes::default()
        };
        let counts = self.tls_counts.as_ref();
        match tls.handshake(tcp, address.ip(), wishes).await {
            Ok(greeted) => {
                if let Some(counts) = counts {
                    greeted.counters.iter().for_each(|one| counts.count(*one));
                    counts.handshake(greeted.transport.info());
                }
                Ok(Transport::Tls(Box::new(greeted.transport)))
            }
            Err(failure) => {
                if let Some(counts) = counts {
                    failure.counter.iter().for_each(|one| counts.count(*one));
                }
                Err(Gone)
            }
        }
    }
}

impl Link {
    pub(super) fn http1(dialer: &Dialer, transport: Transport) -> Self {
        Self::Http1(Box::new(Http1Link::new(&dialer.cluster, transport)))
    }

    pub(crate) fn http2(dialer: &Dialer, transport: Transport) -> Self {
        Self::Http2(Box::new(Http2Link::new(&dialer.cluster, transport)))
    }

    /// Sends a request whole; an empty body is none.
    pub(crate) async fn send(&mut self, headers: &HeaderMap, body: &[u8]) -> Result<(), Gone> {
        match self {
            Self::Http1(link) => link.send(headers, body).await,
            Self::Http2(link) => link.send(headers, body),
        }
    }

    /// The next piece of the response.
    pub(crate) async fn next(&mut self) -> Result<Part, Broken> {
        match self {
            Self::Http1(link) => link.next().await.map_err(|Gone| Broken::Connection),
            Self::Http2(link) => link.next().await,
        }
    }

    /// Whether it may carry another request after this response.
    pub(crate) fn may_go_on(&self) -> bool {
        match self {
            Self::Http1(link) => link.may_go_on(),
            Self::Http2(link) => link.may_go_on(),
        }
    }

    /// Whether the host has said that it goes.
    pub(crate) fn is_leaving(&self) -> bool {
        match self {
            Self::Http1(link) => !link.may_go_on(),
            Self::Http2(link) => link.is_leaving(),
        }
    }

    /// Gives the request up; whether the connection lives on.
    pub(super) fn cancel(&mut self) -> bool {
        match self {
            Self::Http1(_) => false,
            Self::Http2(link) => link.cancel(),
        }
    }

    /// Waits until the connection is of no more use; between requests.
    pub(super) async fn ended(&mut self) {
        match self {
            Self::Http1(link) => link.ended().await,
            Self::Http2(link) => link.ended().await,
        }
    }
}
