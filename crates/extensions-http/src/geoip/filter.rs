//! What the GeoIP filter does to a stream.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use nuncio_contract::geoip::Counted;
use nuncio_contract::headers::{HeaderMap, HeaderName, Known, is_valid_value};
use nuncio_contract::http_filter::{
    FilterContext, FilterWorkerContext, HeadersStatus, HttpFilterConfig, HttpFilterFactory,
};
use nuncio_contract::request_head_filter::RequestHeadFilter;
use nuncio_contract::stat_group;
use nuncio_contract::stream_info::Address;

use super::config::{ChainConfig, Settings, Whose};

stat_group! {
    /// Requests that were looked at, at `http.<stat_prefix>.`.
    pub struct GeoipStats("geoip.") {
        counters { total }
    }
}

struct Worker {
    settings: Arc<Settings>,
    stats: Arc<GeoipStats>,
    counted: Counted,
}

/// A worker's part of the filter; a stream's too, as it keeps nothing of its own.
#[derive(Clone)]
struct Shared(Rc<Worker>);

impl HttpFilterConfig for ChainConfig {
    fn for_worker(&self, context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory> {
        context.scope.register::<GeoipStats>();
        let settings = Arc::clone(&self.0);
        Box::new(Shared(Rc::new(Worker {
            stats: context.scope.worker_group(),
            counted: settings.provider.counted(context.scope),
            settings,
        })))
    }
}

impl RequestHeadFilter for Shared {
    fn on_request(&self, context: &mut FilterContext<'_>) -> HeadersStatus {
        let worker = &*self.0;
        let told = worker.settings.whose.address(context.request_headers);
        let address = told.or_else(|| match context.stream_info.downstream_remote_address() {
            Some(Address::Ip(address)) => Some(address.ip()),
            _ => None,
        });
        let provider = &worker.settings.provider;
        for located in provider.locate(address, context.services.now(), &worker.counted) {
            let value = located.value.as_bytes();
            if let Ok(name) = HeaderName::parse(&located.key)
                && is_valid_value(value)
            {
                context.request_headers.replace(&name, value);
            }
        }
        worker.stats.total.inc();
        HeadersStatus::Continue
    }
}

impl Whose {
    /// The address that headers tell.
    fn address(&self, request: &HeaderMap) -> Option<IpAddr> {
        match self {
            Whose::Client => None,
            Whose::Header(name) => text(request.get(name)?),
            Whose::Forwarded(hops) => {
                let forwarded = request.get(Known::XForwardedFor)?;
                let mut from_the_end = forwarded.rsplit(|byte| *byte == b',');
                text(from_the_end.nth(usize::try_from(*hops).ok()?)?)
            }
        }
    }
}

fn text(address: &[u8]) -> Option<IpAddr> {
    str::from_utf8(address).ok()?.trim().parse().ok()
}
