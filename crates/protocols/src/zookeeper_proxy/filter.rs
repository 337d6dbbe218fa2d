//! What the ZooKeeper proxy does with a connection's bytes.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use nuncio_contract::network_filter::{
    LookingOn, NetworkContext, NetworkFilter, NetworkFilterConfig, NetworkFilterFactory,
    NetworkStatus,
};
use nuncio_contract::stats::Scope;
use nuncio_contract::stream_info::metadata::{Struct, Value};

use super::answers;
use super::config::{Config, Settings};
use super::framing::{Framing, Whole};
use super::opcode::Op;
use super::outstanding::Outstanding;
use super::reader::Reader;
use super::requests::{self, About, Bad, Said};
use super::stats::Stats;

/// Where metadata is left.
const NAMESPACE: &str = "envoy.filters.network.zookeeper_proxy";

/// What the connections of a worker share.
struct OnWorker {
    settings: Arc<Settings>,
    stats: Stats,
}

struct Factory(Rc<OnWorker>);

impl NetworkFilterConfig for Config {
    fn for_worker(&self, root: &Scope) -> Box<dyn NetworkFilterFactory> {
        Box::new(Factory(Rc::new(OnWorker {
            stats: Stats::new(root, &self.0.stat_prefix),
            settings: Arc::clone(&self.0),
        })))
    }

    fn sees_answers(&self) -> bool {
        true
    }
}

impl NetworkFilterFactory for Factory {
    fn wants_data(&self) -> bool {
        true
    }

    fn sees_answers(&self) -> bool {
        true
    }

    fn create(&self) -> Box<dyn NetworkFilter> {
        Box::new(Filter {
            on_worker: Rc::clone(&self.0),
            outstanding: Outstanding::default(),
            from_client: Framing::default(),
            from_host: Framing::default(),
        })
    }
}

/// A connection.
struct Filter {
    on_worker: Rc<OnWorker>,
    outstanding: Outstanding,
    from_client: Framing,
    from_host: Framing,
}

impl NetworkFilter for Filter {
    fn on_data(
        &mut self,
        context: &mut NetworkContext<'_>,
        data: &[u8],
        _end_stream: bool,
    ) -> NetworkStatus {
        let now = context.services.now();
        let mut context = context.looking_on();
        let mut told = Told::begin(&mut context);
        let most = self.on_worker.settings.max_packet_bytes;
        match self.from_client.push(data, requests::LEAST_BYTES, most) {
            Ok(Some(whole)) => {
                self.requests(&whole, now, &mut told);
                self.from_client.keep_rest(&whole);
            }
            Ok(None) => {}
            Err(()) => self.on_worker.failed(None, &mut told),
        }
        NetworkStatus::Continue
    }

    fn on_answer(&mut self, context: &mut LookingOn<'_>, data: &[u8], _end_stream: bool) {
        let now = context.services.now();
        let mut told = Told::begin(context);
        let most = self.on_worker.settings.max_packet_bytes;
        match self.from_host.push(data, answers::LEAST_BYTES, most) {
            Ok(Some(whole)) => {
                self.answers(&whole, now, &mut told);
                self.from_host.keep_rest(&whole);
            }
            Ok(None) => {}
            Err(()) => self.on_worker.failed(None, &mut told),
        }
    }
}

impl Filter {
    fn requests(&mut self, whole: &Whole, now: Instant, told: &mut Told<'_>) {
        let OnWorker { settings, stats } = &*self.on_worker;
        let most = settings.max_packet_bytes;
        let mut reader = Reader::new(&whole.data, most);
        while reader.offset() < whole.whole_bytes {
            let mut tell = |said: Said<'_>| self.on_worker.request(&said, told);
            match requests::read(&mut reader, most, &mut tell) {
                Ok(request) => {
                    stats.request_bytes(request.op, request.bytes, settings);
                    told.add("bytes", request.bytes);
                    if let Some(op) = request.op {
                        self.outstanding.add(request.xid, op, now);
                    }
                }
                Err(Bad(op)) => return self.on_worker.failed(op, told),
            }
        }
    }

    fn answers(&mut self, whole: &Whole, now: Instant, told: &mut Told<'_>) {
        let OnWorker { settings, stats } = &*self.on_worker;
        let most = settings.max_packet_bytes;
        let mut reader = Reader::new(&whole.data, most);
        while reader.offset() < whole.whole_bytes {
            let Ok(answer) = answers::read(&mut reader, most, &mut self.outstanding) else {
                return self.on_worker.failed(None, told);
            };
            let op = answer.asked.map(|(op, _)| op);
            stats.answer_bytes(op, answer.bytes, settings);
            match answer.asked {
                Some((op, begun)) => {
                    stats.answer(op, now.saturating_duration_since(begun), settings);
                }
                None => stats.common.watch_event.inc(),
            }
            told.answer(&answer.said);
            told.add("bytes", answer.bytes);
        }
    }
}

impl OnWorker {
    /// What goes by cannot be read.
    fn failed(&self, op: Option<Op>, told: &mut Told<'_>) {
        self.stats.error(op, &self.settings);
        told.add("opname", "error");
    }

    fn request(&self, said: &Said<'_>, told: &mut Told<'_>) {
        match said {
            Said::Op(op, about) | Said::Part(op, about) => {
                self.stats.request(*op);
                // Envoy does not tell of these.
                if !matches!(op, Op::Multi | Op::Check) {
                    told.add("opname", op.name());
                }
                told.about(about);
            }
            Said::ConnectReadOnly => {
                self.stats.common.connect_readonly_rq.inc();
                told.add("opname", "connect_readonly");
            }
            Said::Auth(scheme) => {
                self.stats.auth(scheme);
                told.add("opname", Op::Auth.name());
            }
            Said::Unknown => self.failed(None, told),
        }
    }
}

/// The metadata that the bytes of one read leave; what was said of another read is forgotten.
struct Told<'a>(&'a mut Struct);

impl<'a> Told<'a> {
    fn begin<'c>(context: &'a mut LookingOn<'c>) -> Self {
        let metadata = context.stream_info.dynamic_metadata_mut();
        let fields = metadata.namespace_mut(NAMESPACE);
        *fields = Struct::default();
        Told(fields)
    }

    /// What was said before stays.
    fn add(&mut self, name: &str, value: impl ToString) {
        if self.0.get(name).is_none() {
            let value = Value::String(value.to_string().into());
            self.0.insert(name, value);
        }
    }

    fn path(&mut self, path: &[u8]) {
        self.add("path", String::from_utf8_lossy(path));
    }

    fn about(&mut self, about: &About<'_>) {
        if let Some(path) = about.path {
            self.path(path);
        }
        if let Some(create_type) = about.create_type {
            self.add("create_type", create_type);
        }
        if let Some(watch) = about.watch {
            self.add("watch", watch);
        }
        if let Some(version) = about.version {
            self.add("version", version);
        }
        if let Some(mode) = about.mode {
            self.add("mode", mode);
        }
    }

    fn answer(&mut self, said: &answers::Said<'_>) {
        match said {
            answers::Said::Connected {
                protocol_version,
                timeout,
                is_read_only,
            } => {
                self.add("opname", "connect_response");
                self.add("protocol_version", protocol_version);
                self.add("timeout", timeout);
                self.add("readonly", u8::from(*is_read_only));
            }
            answers::Said::Answer {
                op,
                xid,
                zxid,
                error,
            } => {
                self.add("opname", format!("{}_{}", op.name(), op.answer_suffix()));
                self.add("xid", xid);
                self.add("zxid", zxid);
                self.add("error", error);
            }
            answers::Said::Event {
                kind,
                client_state,
                path,
                zxid,
                error,
            } => {
                self.add("opname", "watch_event");
                self.add("event_type", kind);
                self.add("client_state", client_state);
                self.path(path);
                self.add("zxid", zxid);
                self.add("error", error);
            }
        }
    }
}
