//! What a connection's filter keeps and leaves of what peers send.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use nuncio_config::runtime::{RuntimeKey, RuntimeKeys, RuntimeValue};
use nuncio_contract::clock::Clock;
use nuncio_contract::network_filter::{LookingOn, NetworkContext, NetworkFilter, NetworkStatus};
use nuncio_contract::services::{LocalFuture, WorkerServices};
use nuncio_contract::stats::{StatValue, StatsStore};
use nuncio_contract::stream_info::{ConnectionInfo, StreamInfo};

use super::{Factory, Filter, NAMESPACE, OnWorker};
use crate::mongo_proxy::config::Settings;
use crate::mongo_proxy::framing::Framing;
use crate::mongo_proxy::stats::Stats;
use crate::mongo_proxy::tests::{document, query_bytes};

struct Services(Instant);

impl Clock for Services {
    fn now(&self) -> Instant {
        self.0
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }
}

impl WorkerServices for Services {
    fn random_u64(&self) -> u64 {
        0
    }

    fn sleep(&self, _duration: Duration) -> LocalFuture<()> {
        Box::pin(std::future::ready(()))
    }
}

struct Connection {
    filter: Filter,
    store: StatsStore,
    info: StreamInfo,
    services: Services,
}

impl Connection {
    fn new() -> Self {
        Connection::enabled(RuntimeKey::default())
    }

    fn enabled(enabled: RuntimeKey) -> Self {
        let store = StatsStore::default();
        let on_worker = OnWorker {
            stats: Stats::new(&store.root(), "p"),
            settings: Arc::new(Settings {
                stat_prefix: "p".into(),
                delay: None,
                tells_metadata: true,
                commands: Box::default(),
                max_depth: 10,
                enabled,
            }),
        };
        let now = Instant::now();
        let connection = Rc::new(ConnectionInfo::default());
        Connection {
            filter: Factory(Rc::new(on_worker)).connection(),
            store,
            info: StreamInfo::new(connection, SystemTime::UNIX_EPOCH, now),
            services: Services(now),
        }
    }

    fn client_sends(&mut self, data: &[u8]) {
        let mut context = NetworkContext {
            stream_info: &mut self.info,
            out: &mut Vec::new(),
            services: &self.services,
        };
        let status = self.filter.on_data(&mut context, data, false);
        assert!(matches!(status, NetworkStatus::Continue));
    }

    fn host_sends(&mut self, data: &[u8]) {
        let mut context = LookingOn {
            stream_info: &mut self.info,
            services: &self.services,
        };
        self.filter.on_answer(&mut context, data, false);
    }

    fn counted(&self, name: &str) -> u64 {
        let mut found = None;
        self.store.scope("mongo.p").for_each(&mut |stat| {
            if stat.name.to_string() == format!("mongo.p.{name}")
                && let StatValue::Counter { value, .. } = stat.value
            {
                found = Some(value);
            }
        });
        found.unwrap_or_else(|| panic!("{name}"))
    }

    fn told(&mut self) -> usize {
        let metadata = self.info.dynamic_metadata_mut();
        metadata.namespace_mut(NAMESPACE).fields().len()
    }
}

/// Messages that give up no cursor, each within the one before.
fn nested(count: usize) -> Vec<u8> {
    let one = |length: usize| {
        let numbers = [i32::try_from(length).unwrap(), 0, 0, 2007, 0, 0];
        numbers.map(i32::to_le_bytes).concat()
    };
    let rest = (1..=count).rev().map(|left| one(24 * left));
    rest.collect::<Vec<_>>().concat()
}

#[test]
fn messages_within_messages_end_where_the_limit_is() {
    let mut connection = Connection::new();
    connection.client_sends(&nested(1000));
    assert_eq!(connection.counted("op_kill_cursors"), 1000);
    assert_eq!(connection.counted("decoding_error"), 0);
    connection.client_sends(&nested(1000));
    assert_eq!(connection.counted("op_kill_cursors"), 2000);
    connection.client_sends(&nested(5000));
    assert_eq!(connection.counted("op_kill_cursors"), 3000);
    assert_eq!(connection.counted("decoding_error"), 1);
    connection.client_sends(&nested(1));
    assert_eq!(connection.counted("op_kill_cursors"), 3000, "it is over");
    assert_eq!(connection.counted("decoding_error"), 1);
}

#[test]
fn metadata_tells_of_a_limited_number_of_collections() {
    let query = |name: &str| query_bytes(name, &document(&[]));
    let mut connection = Connection::new();
    let many = (0..150).flat_map(|number| query(&format!("db.c{number}")));
    let mut many = many.collect::<Vec<_>>();
    many.extend(query("db.c0"));
    connection.client_sends(&many);
    assert_eq!(connection.counted("op_query"), 151);
    assert_eq!(connection.told(), 100);
    connection.client_sends(&query(&format!("db.{}", "c".repeat(252))));
    assert_eq!(connection.told(), 1);
    connection.client_sends(&query(&format!("db.{}", "c".repeat(253))));
    assert_eq!(connection.told(), 0);
}

#[test]
fn nothing_is_kept_in_either_direction_once_one_is_over() {
    let query = query_bytes("db.c", &document(&[]));
    let half = &query[..query.len() / 2];
    let bad = nested(1001);
    let mut connection = Connection::new();
    connection.host_sends(half);
    assert_ne!(connection.filter.from_host, Framing::default());
    connection.client_sends(&bad);
    assert_eq!(connection.filter.from_host, Framing::default());
    assert_eq!(connection.filter.from_client, Framing::default());
    connection.host_sends(half);
    assert_eq!(connection.filter.from_host, Framing::default());

    let mut connection = Connection::new();
    connection.client_sends(half);
    connection.host_sends(&bad);
    assert_eq!(connection.filter.from_client, Framing::default());
}

#[test]
fn what_is_behind_bytes_that_were_not_looked_at_is_a_new_message() {
    let keys = RuntimeKeys::default();
    let enable = |percent: u64| {
        let value = RuntimeValue::of_text(&percent.to_string()).unwrap();
        keys.set_values([("mongo.proxy_enabled".into(), value)].into());
    };
    let query = query_bytes("db.c", &document(&[]));
    let (begin, end) = query.split_at(20);
    let mut connection = Connection::enabled(keys.key("mongo.proxy_enabled"));
    connection.client_sends(begin);
    enable(0);
    connection.client_sends(end);
    enable(100);
    connection.client_sends(&query);
    assert_eq!(connection.counted("op_query"), 1);
    assert_eq!(connection.counted("decoding_error"), 0);
}
