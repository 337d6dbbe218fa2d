//! How a session's tunnel is opened, tried again, and used.

use std::future::poll_fn;
use std::rc::{Rc, Weak};

use nuncio_contract::buffer::Buffer;
use nuncio_contract::formatter::{AccessLogType, FormatContext};
use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::kept_headers::KeptHeaders;
use nuncio_contract::services::WorkerServices;
use nuncio_contract::stream_info::{Protocol, ResponseFlags, StreamInfo};
use nuncio_upstream::cluster::ResourcePriority;
use nuncio_upstream::outlier_detection::Outcome;
use nuncio_upstream::{Acquired, UpstreamError, UpstreamErrorKind, UpstreamStream, WorkerHost};

use super::{Came, Flow, Tunnel};
use crate::proxy::UdpProxy;
use crate::proxy::session::Session;
use crate::proxy::target::Target;

/// Where the headers of the host's answer are kept.
const RESPONSE_HEADERS: &str = "envoy.udp_proxy.propagate_response_headers";
/// Where its trailers are kept.
const RESPONSE_TRAILERS: &str = "envoy.udp_proxy.propagate_response_trailers";
/// What a tunnel's stream is upgraded to.
const PROTOCOL: &[u8] = b"connect-udp";

impl Session {
    /// Goes through a tunnel until it or the session is over. The first host is chosen already.
    pub(in crate::proxy) async fn tunnel(&self, proxy: &Weak<UdpProxy>, first: Rc<WorkerHost>) {
        let Some((config, services)) = proxy.upgrade().map(|proxy| {
            let services = Rc::clone(&proxy.worker.services);
            (std::sync::Arc::clone(&proxy.config), services)
        }) else {
            return;
        };
        let (Some(tunnel), Some(target)) = (config.tunnel.as_deref(), self.target().cloned())
        else {
            return;
        };
        let mut backoff = tunnel.backoff;
        let mut next = Some(first);
        let mut attempts = 0;
        let stream = loop {
            let Some(host) = next.take().or_else(|| self.next_host(proxy, &target)) else {
                return;
            };
            if attempts > 0 {
                target.cluster.traffic_stats().upstream_rq_retry.inc();
            }
            attempts += 1;
            self.with_info(|info| info.attempt_count = Some(attempts));
            match Box::pin(self.open(proxy, tunnel, &host, &*services)).await {
                Ok(stream) => break stream,
                Err(error) => self.failed(&host, &error),
            }
            if attempts >= tunnel.most_attempts {
                self.with_info(|info| {
                    info.add_flags(ResponseFlags::UPSTREAM_RETRY_LIMIT_EXCEEDED);
                });
                let stats = target.cluster.traffic_stats();
                stats.upstream_cx_connect_attempts_exceeded.inc();
                target.stats.sess_tunnel_failure.inc();
                return;
            }
            let pause = backoff.as_mut().map(|it| it.next(services.random_u64()));
            match pause {
                Some(pause) => services.sleep(pause).await,
                None => tokio::task::yield_now().await,
            }
        };
        target.stats.sess_tunnel_success.inc();
        if let (true, Some(proxy)) = (config.logs_tunnel, proxy.upgrade()) {
            proxy.log_session(self, AccessLogType::UdpTunnelUpstreamConnected);
        }
        self.flow(proxy, tunnel, stream).await;
    }

    fn next_host(&self, proxy: &Weak<UdpProxy>, target: &Target) -> Option<Rc<WorkerHost>> {
        proxy.upgrade()?.host_of_tunnel(self, target)
    }

    /// Asks a host for the tunnel, and waits until it agrees.
    async fn open(
        &self,
        proxy: &Weak<UdpProxy>,
        tunnel: &Tunnel,
        host: &Rc<WorkerHost>,
        services: &dyn WorkerServices,
    ) -> Result<UpstreamStream, UpstreamError> {
        self.with_info(|info| info.upstream.add_attempted_host(host.description()));
        // As in Envoy a host that takes both is spoken to by HTTP/2.
        let ready = match host.new_stream(ResourcePriority::Default, Some(Protocol::Http2))? {
            Acquired::Ready(ready) => ready,
            Acquired::Pending(pending) => pending.await?,
        };
        let mut stream = ready.begin();
        self.with_info(|info| info.upstream.connection_id = Some(stream.connection_id()));
        if let Some(proxy) = proxy.upgrade() {
            self.touch(&proxy);
        }
        let request = self.info_of(|info| tunnel.request(&stream, info, services));
        stream.write_head(&request.unwrap_or_else(HeaderMap::request), false);
        let mut response = HeaderMap::response();
        let status = loop {
            let head = poll_fn(|cx| {
                let _reading_tells_what_becomes_of_it = stream.poll_flush(cx);
                stream.poll_read_head(cx, &mut response)
            })
            .await?;
            if !head.is_informational() {
                break head.status;
            }
        };
        if tunnel.keeps_headers {
            self.keep(RESPONSE_HEADERS, &response);
        }
        match tunnel.is_agreed(status, &response) && !stream.is_response_complete() {
            true => {
                host.report(Outcome::ConnectedFinally);
                Ok(stream)
            }
            // To Envoy the host could not be connected to.
            false => Err(UpstreamError::new(
                UpstreamErrorKind::RemoteConnectionFailure,
            )),
        }
    }

    fn failed(&self, host: &WorkerHost, error: &UpstreamError) {
        match error.kind {
            UpstreamErrorKind::Overflow | UpstreamErrorKind::LocalConnectionFailure => {}
            UpstreamErrorKind::ConnectionTimeout => host.report(Outcome::TimedOut(504)),
            _ => host.report(Outcome::Failed),
        }
        self.with_info(|info| {
            let reason = error.transport_failure_reason.as_deref();
            info.upstream.transport_failure_reason = reason.unwrap_or_default().to_owned().into();
            if !matches!(
                error.kind,
                UpstreamErrorKind::Overflow | UpstreamErrorKind::LocalConnectionFailure
            ) {
                info.add_flags(ResponseFlags::UPSTREAM_CONNECTION_FAILURE);
            }
        });
    }

    /// Passes datagrams both ways until the stream ends.
    async fn flow(&self, proxy: &Weak<UdpProxy>, tunnel: &Tunnel, stream: UpstreamStream) {
        let Some(entrance) = self.entrance() else {
            return;
        };
        let mut flow = Flow::new(stream, entrance);
        let mut data = Buffer::new();
        let mut trailers = HeaderMap::request();
        loop {
            let came = poll_fn(|cx| flow.poll(cx, &mut data, &mut trailers)).await;
            // As in Envoy the end of a stream is a datagram too, if an empty one.
            let is_datagram = !data.is_empty() || matches!(came, Came::LastBytes);
            if let (true, Some(proxy)) = (is_datagram, proxy.upgrade()) {
                self.came_through(&proxy, data.readable());
                data.clear();
            }
            match came {
                Came::Bytes => {}
                Came::Trailers if tunnel.keeps_trailers => {
                    self.keep(RESPONSE_TRAILERS, &trailers);
                    return;
                }
                Came::LastBytes | Came::Trailers | Came::Reset => return,
            }
            tokio::task::yield_now().await;
        }
    }

    fn keep(&self, name: &str, headers: &HeaderMap) {
        self.with_info(|info| {
            let kept = Box::new(KeptHeaders::of(headers));
            info.filter_state_mut().set(name, kept);
        });
    }
}

impl Tunnel {
    fn request(
        &self,
        up: &UpstreamStream,
        info: &StreamInfo,
        services: &dyn WorkerServices,
    ) -> HeaderMap {
        let context = FormatContext::new(info, services);
        let mut host = Vec::new();
        self.proxy_host.format(&context, &mut host);
        if let Some(port) = self.proxy_port {
            host.extend_from_slice(format!(":{port}").as_bytes());
        }
        let mut request = HeaderMap::request();
        let scheme: &[u8] = match up.tls() {
            Some(_) => b"https",
            None => b"http",
        };
        request.set(Known::Scheme, scheme);
        request.set(Known::Authority, &host);
        match &self.post_path {
            Some(path) => {
                request.set(Known::Method, b"POST");
                request.set(Known::Path, path.as_bytes());
            }
            None => {
                request.set(Known::Method, b"GET");
                request.set(Known::Connection, b"Upgrade");
                request.set(Known::Upgrade, PROTOCOL);
                request.append_from_wire(b"capsule-protocol", b"?1");
                request.set(Known::Path, &self.target_path(&context));
            }
        }
        let added = self.headers.evaluate(&request, &context);
        added.apply(&mut request);
        request
    }

    fn target_path(&self, context: &FormatContext<'_>) -> Vec<u8> {
        let mut host = Vec::new();
        self.target_host.format(context, &mut host);
        let mut path = b"/.well-known/masque/udp/".to_vec();
        for byte in host {
            match byte {
                b':' | 0..b' ' | b'~'.. => {
                    path.extend_from_slice(format!("%{byte:02X}").as_bytes())
                }
                plain => path.push(plain),
            }
        }
        path.extend_from_slice(format!("/{}/", self.target_port).as_bytes());
        path
    }

    /// Whether an answer makes a tunnel.
    fn is_agreed(&self, status: u16, response: &HeaderMap) -> bool {
        let upgraded = response.get(Known::Upgrade);
        match self.post_path {
            Some(_) => (200..300).contains(&status),
            None => status == 101 && upgraded.is_some_and(|it| it.eq_ignore_ascii_case(PROTOCOL)),
        }
    }
}
