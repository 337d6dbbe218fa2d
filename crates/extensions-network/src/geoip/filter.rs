//! What the filter does to a connection.

use std::any::Any;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use nuncio_contract::formatter::{FormatContext, append_quoted_json};
use nuncio_contract::geoip::Counted;
use nuncio_contract::network_filter::{
    NetworkContext, NetworkFilter, NetworkFilterConfig, NetworkFilterFactory, NetworkStatus,
};
use nuncio_contract::stats::{Counter, Scope};
use nuncio_contract::stream_info::{Address, FilterStateObject};

use super::config::{ChainConfig, Settings};

const KEY: &str = "envoy.geoip";

/// What is known of an address, by the keys of the configuration.
struct Place(BTreeMap<Arc<str>, String>);

/// A worker's part of the filter; a connection's too, as it keeps nothing of its own.
#[derive(Clone)]
struct Shared(Rc<Worker>);

struct Worker {
    settings: Arc<Settings>,
    total: Arc<Counter>,
    counted: Counted,
}

impl NetworkFilterConfig for ChainConfig {
    fn for_worker(&self, root: &Scope) -> Box<dyn NetworkFilterFactory> {
        let settings = Arc::clone(&self.0);
        let prefix = &settings.stat_prefix;
        Box::new(Shared(Rc::new(Worker {
            total: root.counter(&format!("{prefix}geoip.total")),
            counted: settings.provider.counted_as(root, prefix),
            settings,
        })))
    }
}

impl NetworkFilterFactory for Shared {
    fn wants_data(&self) -> bool {
        false
    }

    fn create(&self) -> Box<dyn NetworkFilter> {
        Box::new(self.clone())
    }
}

impl NetworkFilter for Shared {
    fn on_new_connection(&mut self, context: &mut NetworkContext<'_>) -> NetworkStatus {
        let worker = &*self.0;
        let address = worker.settings.told(context).or_else(|| {
            match context.stream_info.downstream_remote_address() {
                Some(Address::Ip(address)) => Some(address.ip()),
                _ => None,
            }
        });
        let provider = &worker.settings.provider;
        let found = provider.locate(address, context.services.now(), &worker.counted);
        let found = found.into_iter().map(|one| (one.key, one.value));
        let place = Place(found.collect());
        if !place.0.is_empty() {
            let state = context.stream_info.filter_state_mut();
            state.set(KEY, Box::new(place));
        }
        worker.total.inc();
        NetworkStatus::Continue
    }
}

impl Settings {
    /// The address that the format says.
    fn told(&self, context: &NetworkContext<'_>) -> Option<IpAddr> {
        let format = self.client.as_ref()?;
        let mut text = Vec::new();
        let of = FormatContext::new(context.stream_info, context.services);
        format.format(&of, &mut text);
        str::from_utf8(&text).ok()?.parse().ok()
    }
}

impl FilterStateObject for Place {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn serialize_as_string(&self) -> Option<String> {
        let mut json = vec![b'{'];
        for (index, (key, value)) in self.0.iter().enumerate() {
            if index > 0 {
                json.push(b',');
            }
            append_quoted_json(key.as_bytes(), &mut json);
            json.push(b':');
            append_quoted_json(value.as_bytes(), &mut json);
        }
        json.push(b'}');
        String::from_utf8(json).ok()
    }

    fn serialize_as_json(&self) -> Option<String> {
        self.serialize_as_string()
    }

    fn field(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }
}
