//! Hosts that answer from a script, and a cluster that leads to them.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use nuncio_contract::buffer::Buffer;
use nuncio_contract::clock::SystemClock;
use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::stats::{StatValue, StatsStore};
use nuncio_contract::stream_info::FilterState;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::cluster::{ClusterSettings, HealthFlags, Host, HostSet, ResourcePriority};
use crate::{
    Acquired, AutoNames, BodyEvent, ClusterManager, TransportSocket, UpstreamError, UpstreamStream,
    WorkerCluster, WorkerClusters,
};

/// Runs a test on a worker's kind of runtime.
pub(super) fn on_worker(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        tokio::time::timeout(std::time::Duration::from_secs(20), test)
            .await
            .unwrap();
    });
}

/// One worker's view of one cluster named `c`.
pub(super) struct Fixture {
    pub(super) stats: StatsStore,
    pub(super) manager: Arc<ClusterManager>,
    pub(super) clusters: WorkerClusters,
    pub(super) cluster: Rc<WorkerCluster>,
}

/// The stream, waited for if need be.
pub(super) async fn begin(acquired: Acquired) -> Result<UpstreamStream, UpstreamError> {
    Ok(match acquired {
        Acquired::Ready(ready) => ready.begin(),
        Acquired::Pending(pending) => pending.await?.begin(),
    })
}

impl Fixture {
    pub(super) fn new(settings: ClusterSettings, hosts: &[SocketAddr]) -> Self {
        let stats = StatsStore::default();
        let manager = Arc::new(ClusterManager::new(stats.clone()));
        let shared = manager.prepare(settings, TransportSocket::RawBuffer, false);
        shared.publish_hosts(Arc::new(HostSet::new(hosts.iter().map(host).collect())));
        manager.publish([Arc::clone(&shared)]);
        let id = manager.find(&shared.settings.name).unwrap();
        let clusters = WorkerClusters::new(Arc::clone(&manager), Rc::new(SystemClock), 7);
        let cluster = clusters.get(id).unwrap();
        Self {
            stats,
            manager,
            clusters,
            cluster,
        }
    }

    pub(super) fn to(hosts: &[SocketAddr]) -> Self {
        Self::new(ClusterSettings::named("c"), hosts)
    }

    /// A stream to the next host, waited for if need be.
    pub(super) async fn stream(&self) -> Result<UpstreamStream, UpstreamError> {
        let host = self.cluster.pick_host()?;
        begin(host.new_stream(ResourcePriority::Default, None)?).await
    }

    /// A GET on a connection that has the name of its host, which is `name`.
    pub(super) async fn get_named(&self, name: &str) -> Result<Response, UpstreamError> {
        let auto = AutoNames {
            sni: true,
            san_validation: false,
            header: None,
        };
        let mut request = request("GET", "/");
        request.set(Known::Authority, name.as_bytes());
        let name = auto.choose(&request, &mut FilterState::default()).unwrap();
        let host = self.cluster.pick_host()?;
        let mut stream =
            begin(host.new_stream_named(ResourcePriority::Default, name, None)?).await?;
        stream.write_head(&request, true);
        poll_fn(|cx| stream.poll_flush(cx)).await;
        read_response(&mut stream).await
    }

    /// A stream of bytes to the next host, waited for if need be.
    pub(super) async fn tcp_stream(&self) -> Result<UpstreamStream, UpstreamError> {
        begin(self.cluster.pick_host()?.new_tcp_stream()?).await
    }

    /// A GET, from picking a host to the last byte.
    pub(super) async fn get(&self, path: &str) -> Result<Response, UpstreamError> {
        let mut stream = self.stream().await?;
        stream.write_head(&request("GET", path), true);
        poll_fn(|cx| stream.poll_flush(cx)).await;
        read_response(&mut stream).await
    }

    /// The value of the cluster's counter or gauge `name`.
    pub(super) fn stat(&self, name: &str) -> u64 {
        let mut found = None;
        for scope in self.stats.scopes() {
            scope.for_each(&mut |view| {
                if view.name.to_string() == format!("cluster.c.{name}") {
                    found = match view.value {
                        StatValue::Counter { value, .. } | StatValue::Gauge { value, .. } => {
                            Some(value)
                        }
                        _ => None,
                    };
                }
            });
        }
        found.unwrap_or_else(|| panic!("no stat {name}"))
    }

    /// Gives other tasks their turns until `stat` has the value.
    pub(super) async fn until_stat(&self, name: &str, value: u64) {
        while self.stat(name) != value {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
}

pub(super) fn host(address: &SocketAddr) -> Arc<Host> {
    Arc::new(Host::new(
        *address,
        "",
        1,
        0,
        Arc::default(),
        HealthFlags::HEALTHY,
    ))
}

pub(super) fn request(method: &str, path: &str) -> HeaderMap {
    let mut headers = HeaderMap::request();
    headers.set(Known::Method, method.as_bytes());
    headers.set(Known::Path, path.as_bytes());
    headers.set(Known::Authority, b"host.example");
    headers
}

/// A whole response.
#[derive(Debug, Default)]
pub(super) struct Response {
    pub(super) informational: Vec<u16>,
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    pub(super) trailers: Option<Vec<u8>>,
}

pub(super) async fn read_response(stream: &mut UpstreamStream) -> Result<Response, UpstreamError> {
    let mut response = Response::default();
    let mut headers = HeaderMap::response();
    loop {
        let head = poll_fn(|cx| stream.poll_read_head(cx, &mut headers)).await?;
        if !head.is_informational() {
            response.status = head.status;
            break;
        }
        response.informational.push(head.status);
    }
    let mut data = Buffer::new();
    let mut trailers = HeaderMap::response();
    while !stream.is_response_complete() {
        let event = poll_fn(|cx| stream.poll_read_body(cx, &mut data, &mut trailers)).await?;
        response.body.extend_from_slice(data.readable());
        data.clear();
        if event == BodyEvent::Trailers {
            response.trailers = trailers.iter().next().map(|header| header.value.to_vec());
        }
    }
    Ok(response)
}

/// A host's end of a connection.
pub(super) struct Served {
    socket: TcpStream,
    unread: Vec<u8>,
}

impl Served {
    /// Reads to the end of a head; empty at the end of the stream.
    pub(super) async fn head(&mut self) -> String {
        self.until(b"\r\n\r\n").await
    }

    /// Reads through `mark`.
    pub(super) async fn until(&mut self, mark: &[u8]) -> String {
        loop {
            let at = self
                .unread
                .windows(mark.len())
                .position(|window| window == mark);
            if let Some(at) = at {
                let rest = self.unread.split_off(at + mark.len());
                return String::from_utf8(std::mem::replace(&mut self.unread, rest)).unwrap();
            }
            if self.socket.read_buf(&mut self.unread).await.unwrap_or(0) == 0 {
                return String::new();
            }
        }
    }

    pub(super) async fn send(&mut self, bytes: &str) {
        self.socket.write_all(bytes.as_bytes()).await.unwrap();
    }
}

/// A host that plays `script` on each connection.
pub(super) async fn serve<F: Future<Output = ()> + 'static>(
    script: impl Fn(Served) -> F + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::task::spawn_local(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::task::spawn_local(script(Served {
                socket,
                unread: Vec::new(),
            }));
        }
    });
    address
}

/// A host that gives `response` to each request and keeps the connection.
pub(super) async fn answering(response: &'static str) -> SocketAddr {
    serve(move |mut served| async move {
        while !served.head().await.is_empty() {
            served.send(response).await;
        }
    })
    .await
}

/// A host that gives `response` to one request and closes.
pub(super) async fn closing_after(response: &'static str) -> SocketAddr {
    serve(move |mut served| async move {
        served.head().await;
        served.send(response).await;
    })
    .await
}
