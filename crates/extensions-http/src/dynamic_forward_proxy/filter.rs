//! What the dynamic forward proxy filter does to a stream.

use std::net::SocketAddr;
use std::sync::Arc;

use nuncio_contract::forward_proxy::LookUp;
use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::http_filter::{
    Applied, FilterContext, FilterWorkerContext, HeadersStatus, HttpFilter, HttpFilterConfig,
    HttpFilterFactory, Interest, Resume,
};
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::stream_info::{Address, ResponseFlags};

use super::config::HostRewrite;

/// Where the address is left, for RBAC's `upstream_ip_port` and others.
const ADDRESS: &str = "envoy.stream.upstream_address";

/// The chain's config: what it says of the cache is the cluster's affair.
#[derive(Clone, Copy)]
pub(super) struct ChainConfig {
    /// Whether the address that was found is left for the filters behind.
    pub(super) saves_address: bool,
}

struct Factory(ChainConfig);

struct Stream(ChainConfig);

impl HttpFilterConfig for ChainConfig {
    fn for_worker(&self, _context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory> {
        Box::new(Factory(*self))
    }
}

impl HttpFilterFactory for Factory {
    fn interest(&self) -> Interest {
        Interest {
            request_headers: true,
            ..Interest::default()
        }
    }

    fn create(&self) -> Box<dyn HttpFilter> {
        Box::new(Stream(self.0))
    }
}

impl HttpFilter for Stream {
    fn decode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        _end_stream: bool,
    ) -> HeadersStatus {
        let cluster = context.route.cluster_name();
        let cluster = cluster.and_then(|name| std::str::from_utf8(name).ok());
        let Some(proxy) = cluster.and_then(|name| context.services.forward_proxy(name)) else {
            return HeadersStatus::Continue;
        };
        if let Some(rewrite) = context.route.most_specific::<HostRewrite>() {
            rewrite.apply(context.request_headers);
        }
        let Some(permit) = proxy.admit() else {
            let text = b"Dynamic forward proxy pending request overflow".as_slice();
            let details = "dynamic_forward_proxy_pending_request_overflow";
            return HeadersStatus::Reply(Box::new(LocalReply::new(503, text, details)));
        };
        let authority = context.request_headers.get(Known::Authority);
        match proxy.look_up(authority.unwrap_or_default()) {
            LookUp::Known(Ok(address)) => {
                self.0.save(address, context);
                HeadersStatus::Continue
            }
            LookUp::Known(Err(why)) => HeadersStatus::Reply(no_such_host(&why)),
            LookUp::Full => {
                let text = b"DNS cache overflow".as_slice();
                let reply = LocalReply::new(503, text, "dns_cache_overflow");
                HeadersStatus::Reply(Box::new(reply))
            }
            LookUp::Later(resolved) => {
                let config = self.0;
                HeadersStatus::Wait(Box::pin(async move {
                    let resolved = resolved.await;
                    drop(permit);
                    match resolved {
                        Ok(address) if config.saves_address => {
                            Resume::Then(Box::new(Applied(Box::new(move |context| {
                                config.save(address, context);
                                None
                            }))))
                        }
                        Ok(_) => Resume::Continue,
                        Err(why) => Resume::Reply(no_such_host(&why)),
                    }
                }))
            }
        }
    }
}

impl ChainConfig {
    fn save(self, address: SocketAddr, context: &mut FilterContext<'_>) {
        if self.saves_address {
            let address = Box::new(Address::Ip(address));
            context.stream_info.filter_state_mut().set(ADDRESS, address);
        }
    }
}

impl HostRewrite {
    fn apply(&self, request: &mut HeaderMap) {
        match self {
            HostRewrite::Nothing => {}
            HostRewrite::Literal(host) => request.set(Known::Authority, host),
            HostRewrite::Header(name) => {
                if let Some(host) = request.get(name).map(<[u8]>::to_vec) {
                    request.set(Known::Authority, &host);
                }
            }
        }
    }
}

fn no_such_host(why: &Arc<str>) -> Box<LocalReply> {
    let details = format!("dns_resolution_failure{{{}}}", why.replace(' ', "_"));
    let text = b"DNS resolution failure".as_slice();
    let reply = LocalReply::new(503, text, details);
    Box::new(reply.with_flags(ResponseFlags::DNS_RESOLUTION_FAILED))
}
