//! Clients and hosts that speak HTTP/2 by a library of their own, and the proxy between them.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use nuncio_testkit::ports::free_port;
use nuncio_testkit::proxy::{Proxy, Scratch, stat_on};
use nuncio_tests::binary::nuncio;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_local;

const TYPES: &str = "type.googleapis.com/envoy.extensions";

/// How long a test waits for what is to come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A proxy whose routes are clusters of one host: `/h2...` speaks HTTP/2 to it, everything else HTTP/1.
pub(crate) struct Running {
    proxy: Proxy,
    pub(crate) port: u16,
    pub(crate) admin: u16,
    _directory: Scratch,
}

impl Running {
    /// Waits until a counter or gauge has a value.
    pub(crate) fn await_stat(&self, name: &str, value: u64) {
        let since = std::time::Instant::now();
        while self.stat(name).unwrap_or_default() != value {
            let found = self.stat(name);
            assert!(since.elapsed() < PATIENCE, "{name} is {found:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The value of a counter or gauge.
    pub(crate) fn stat(&self, name: &str) -> Option<u64> {
        let page = self.proxy.admin("/stats").expect("the admin answers");
        stat_on(&page, name)
    }
}

/// A proxy before a host.
pub(crate) fn proxy_to(host: u16) -> Running {
    proxy_with(host, &Options::default())
}

/// What a test's configuration has beside; fields of flow mappings, each with a comma behind it.
#[derive(Default)]
pub(crate) struct Options {
    /// Of the route to `/h2`.
    pub(crate) route: &'static str,
    /// Of the cluster `h2`.
    pub(crate) cluster: &'static str,
    /// Of its `http2_protocol_options`.
    pub(crate) host_http2: &'static str,
    /// Of the connection manager's.
    pub(crate) http2: &'static str,
}

/// The same with more in its configuration.
pub(crate) fn proxy_with(host: u16, options: &Options) -> Running {
    let Options {
        route,
        cluster,
        host_http2,
        http2,
    } = options;
    let (port, admin) = (free_port(), free_port());
    let endpoint = format!(
        "endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {host}}}}}}}}}]}}]"
    );
    let config = format!(
        "admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {admin}}}}}}}
static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          '@type': {TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: http
          http2_protocol_options: {{{http2}}}
          route_config: {{name: r, virtual_hosts: [{{name: v, domains: ['*'], routes: [
            {{match: {{prefix: /h2}}, route: {{{route} cluster: h2}}}},
            {{match: {{prefix: /}}, route: {{cluster: h1}}}}]}}]}}
          http_filters:
          - {{name: router, typed_config: {{'@type': {TYPES}.filters.http.router.v3.Router}}}}
  clusters:
  - {{name: h1, load_assignment: {{cluster_name: h1, {endpoint}}}}}
  - {{{cluster} name: h2, load_assignment: {{cluster_name: h2, {endpoint}}}, typed_extension_protocol_options: {{
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {{
        '@type': {TYPES}.upstreams.http.v3.HttpProtocolOptions,
        explicit_http_config: {{http2_protocol_options: {{{host_http2}}}}}}}}}}}
"
    );
    let directory = Scratch::new().expect("a directory can be made");
    let arguments = ["--disable-hot-restart", "--concurrency", "1"].map(str::to_owned);
    let proxy = Proxy::start(&nuncio(), &arguments, &config, admin, directory.path())
        .expect("the proxy starts");
    Running {
        proxy,
        port,
        admin,
        _directory: directory,
    }
}

/// Runs a test's peers on one thread.
pub(crate) fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made");
    tokio::task::LocalSet::new().block_on(&runtime, test);
}

/// A host that gives each request to `answer`; its port.
pub(crate) async fn host<F>(
    answer: impl Fn(Request<RecvStream>, SendResponse<Bytes>) -> F + 'static,
) -> u16
where
    F: Future<Output = ()> + 'static,
{
    let socket = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    let port = socket.local_addr().expect("it is bound").port();
    let answer = std::rc::Rc::new(answer);
    spawn_local(async move {
        loop {
            let (stream, _) = socket.accept().await.expect("it listens");
            let answer = std::rc::Rc::clone(&answer);
            spawn_local(async move {
                let mut connection = h2::server::handshake(stream).await.expect("it greets");
                while let Some(Ok((request, respond))) = connection.accept().await {
                    spawn_local(answer(request, respond));
                }
            });
        }
    });
    port
}

/// A connection to the proxy.
pub(crate) async fn connect(port: u16) -> SendRequest<Bytes> {
    let stream = TcpStream::connect(("127.0.0.1", port))
        .await
        .expect("it listens");
    let (client, connection) = h2::client::handshake(stream).await.expect("it greets");
    spawn_local(async move {
        let _how_it_ends_is_seen_by_the_streams = connection.await;
    });
    client
}

/// A request for a path.
pub(crate) fn request(method: &str, path: &str) -> Request<()> {
    Request::builder()
        .method(method)
        .uri(format!("http://a{path}"))
        .body(())
        .expect("the request is sound")
}

/// An answer of this status.
pub(crate) fn answer(status: u16) -> Response<()> {
    Response::builder()
        .status(status)
        .body(())
        .expect("the answer is sound")
}

/// Sends as the window allows; an error if the stream is reset meanwhile.
pub(crate) async fn send_all(
    stream: &mut SendStream<Bytes>,
    mut bytes: Bytes,
    end: bool,
) -> Result<(), h2::Error> {
    while !bytes.is_empty() {
        stream.reserve_capacity(bytes.len());
        let room = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await;
        let Some(room) = room.transpose()? else {
            return Ok(());
        };
        let piece = bytes.split_to(room.min(bytes.len()));
        let is_last = end && bytes.is_empty();
        stream.send_data(piece, is_last)?;
    }
    Ok(())
}

/// A body to its end, and its trailers.
pub(crate) async fn read_all(
    body: &mut RecvStream,
) -> Result<(Vec<u8>, Option<HeaderMap>), h2::Error> {
    let mut all = Vec::new();
    while let Some(piece) = body.data().await {
        let piece = piece?;
        body.flow_control().release_capacity(piece.len())?;
        all.extend_from_slice(&piece);
    }
    Ok((all, body.trailers().await?))
}

/// Sends back what is sent to it, trailers too.
pub(crate) async fn echo(request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
    let mut body = request.into_body();
    let Ok((bytes, trailers)) = read_all(&mut body).await else {
        return;
    };
    let Ok(mut stream) = respond.send_response(answer(200), false) else {
        return;
    };
    let has_trailers = trailers.is_some();
    let sent = match bytes.is_empty() && !has_trailers {
        true => stream.send_data(Bytes::new(), true),
        false => send_all(&mut stream, bytes.into(), !has_trailers).await,
    };
    if let (Ok(()), Some(trailers)) = (sent, trailers) {
        let _the_client_may_be_gone = stream.send_trailers(trailers);
    }
}
