//! What the rooms' tests share, and the registry of the family.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use nuncio_config::diagnostic::Severity;
use nuncio_config::source::{Format, Source};
use nuncio_config::typed::{Ctx, Refused, SupportTable, decode};
use nuncio_config::{interpret, text};
use nuncio_contract::access_log::{self, AccessLog, AccessLogConfig};
use nuncio_contract::clock::{Clock, SystemClock};
use nuncio_contract::formatter::FormatContext;
use nuncio_contract::registry::Extensions;
use nuncio_contract::services::{LocalFuture, WorkerServices};
use nuncio_contract::stat_sink::{self, StatSinkConfig, StatsSink};
use nuncio_contract::stats::{self, StatsStore};
use nuncio_contract::stream_info::StreamInfo;

const EXTENSIONS: Extensions = Extensions {
    bootstrap_extensions: &[],
    http_filters: &[],
    network_filters: &[],
    listener_filters: &[],
    cluster_specifiers: &[],
    early_header_mutations: &[],
    tracers: &[crate::TRACERS],
    stat_sinks: &[crate::STAT_SINKS],
    access_loggers: &[crate::ROOMS],
    access_log_files: Some(crate::FILES),
};

pub(crate) struct Services;

impl Clock for Services {
    fn now(&self) -> Instant {
        SystemClock.now()
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

/// A compiled access log.
pub(crate) struct Config(pub(crate) Arc<dyn AccessLogConfig>);

impl Config {
    pub(crate) fn new(yaml: &str) -> Self {
        let mut ctx = Ctx::default();
        let config = compile(yaml, &mut ctx);
        Config(config.unwrap_or_else(|_| panic!("{:?}", ctx.diagnostics)))
    }

    /// Logs an empty stream and writes it out.
    pub(crate) fn log(&self) {
        let info = StreamInfo::new(Rc::default(), SystemTime::UNIX_EPOCH, Services.now());
        let mut info = info;
        info.end = Some(info.start);
        self.0
            .worker(&StatsStore::default().root())
            .log(&FormatContext::new(&info, &Services));
        crate::FILES.flush_all();
    }
}

fn compile(yaml: &str, ctx: &mut Ctx) -> Result<Arc<dyn AccessLogConfig>, Refused> {
    let source = Source::new("log.yaml", Format::Yaml, yaml);
    let node =
        text::parse(&source, 0, &text::Limits::default(), &mut ctx.diagnostics).ok_or(Refused)?;
    let descriptor = nuncio_api::message("envoy.config.accesslog.v3.AccessLog").ok_or(Refused)?;
    let tree = interpret::interpret(descriptor, &node, &mut ctx.diagnostics).ok_or(Refused)?;
    let log: AccessLog = decode(&Arc::new(tree), ctx)?;
    access_log::compile(&log, EXTENSIONS.access_loggers, ctx)
}

/// A sink of stats of a type, with its fields, or why it is refused.
pub(crate) fn stat_sink(message: &str, fields: &str) -> Result<Arc<dyn StatSinkConfig>, String> {
    let mut ctx = Ctx::default();
    let yaml =
        format!("{{name: a, typed_config: {{'@type': type.googleapis.com/{message}, {fields}}}}}");
    let source = Source::new("sink.yaml", Format::Yaml, yaml);
    let compiled = text::parse(&source, 0, &text::Limits::default(), &mut ctx.diagnostics)
        .and_then(|node| {
            let descriptor = nuncio_api::message("envoy.config.metrics.v3.StatsSink")?;
            interpret::interpret(descriptor, &node, &mut ctx.diagnostics)
        })
        .ok_or(Refused)
        .and_then(|tree| decode::<StatsSink>(&Arc::new(tree), &mut ctx))
        .and_then(|sink| stat_sink::compile(&sink, EXTENSIONS.stat_sinks, &mut ctx));
    compiled.map_err(|Refused| errors(&ctx))
}

/// Where the reports of a sink end.
pub(crate) struct Reports(std::sync::mpsc::Sender<Vec<u8>>);

impl stat_sink::ByteSink for Reports {
    fn send(&mut self, bytes: Vec<u8>) {
        self.0.send(bytes).unwrap();
    }
}

/// An open sink that makes reports, and the reports.
pub(crate) fn reporting_sink(
    message: &str,
    fields: &str,
) -> (
    Box<dyn stat_sink::StatSink>,
    std::sync::mpsc::Receiver<Vec<u8>>,
) {
    let config = stat_sink(message, fields).expect("a sink");
    let (sender, received) = std::sync::mpsc::channel();
    let services = stat_sink::SinkServices {
        tags: &stats::tags::TagExtractor::default(),
        buckets: &stats::HistogramBuckets::default(),
        local_node: Arc::default(),
        bytes_to: &|_| unreachable!("reports are no bytes"),
        reports_to: &|_| Box::new(Reports(sender.clone())),
    };
    (config.open(&services).expect("it opens"), received)
}

/// A histogram as it stands after a flush: 5 came before the last one and 10 after it.
pub(crate) fn histogram_of_two_flushes() -> stat_sink::Reading {
    let store = StatsStore::default();
    let histogram = store.root().histogram("h", stats::Unit::Milliseconds);
    histogram.record(5);
    store.flush();
    histogram.record(10);
    store.flush();
    let mut reading = None;
    store.root().for_each(&mut |stat| {
        if let stats::StatValue::Histogram {
            merged: Some(merged),
            unit,
        } = stat.value
        {
            let merged = merged.clone();
            reading = Some(stat_sink::Reading::Histogram { merged, unit });
        }
    });
    reading.expect("it was merged")
}

/// Why a config is refused.
pub(crate) fn refusal(yaml: &str) -> String {
    let mut ctx = Ctx::default();
    assert!(compile(yaml, &mut ctx).is_err(), "refused");
    errors(&ctx)
}

fn errors(ctx: &Ctx) -> String {
    let errors = ctx
        .diagnostics
        .iter()
        .filter(|found| found.severity == Severity::Error);
    errors
        .map(|found| found.message.clone())
        .collect::<Vec<_>>()
        .join("; ")
}

/// A counter of a store.
pub(crate) fn counter(store: &StatsStore, name: &str) -> u64 {
    let mut found = None;
    for scope in store.scopes() {
        scope.for_each(&mut |view| {
            if let stats::StatValue::Counter { value, .. } = view.value
                && view.name.to_string() == name
            {
                found = Some(value);
            }
        });
    }
    found.unwrap_or_else(|| panic!("{name} is listed"))
}

pub(crate) fn first_line(path: &str) -> String {
    let text = std::fs::read_to_string(path).expect("the log is there");
    text.lines().next().unwrap_or("").to_owned()
}

#[test]
fn names_and_messages_are_envoys_and_unique() {
    for (at, room) in crate::ROOMS.iter().enumerate() {
        assert!(
            nuncio_api::message(room.message).is_some(),
            "{}",
            room.message
        );
        let same = |other: &&&access_log::AccessLogRoom| {
            other.name == room.name || other.message == room.message
        };
        assert_eq!(
            crate::ROOMS.iter().skip(at).filter(same).count(),
            1,
            "{}",
            room.name
        );
    }
}

#[test]
fn the_rooms_declare_only_fields_that_the_api_has() {
    let mut table = SupportTable::default();
    crate::ROOMS
        .iter()
        .for_each(|room| (room.support)(&mut table));
    crate::STAT_SINKS
        .iter()
        .for_each(|room| (room.support)(&mut table));
    assert!(table.unknown.is_empty(), "{:?}", table.unknown);
    assert!(
        table
            .messages
            .contains_key("envoy.config.core.v3.SubstitutionFormatString")
    );
}

#[test]
fn a_sink_that_nuncio_has_not_is_refused_by_name() {
    let hystrix = "envoy.config.metrics.v3.HystrixSink";
    assert_eq!(
        stat_sink(hystrix, "num_buckets: 10").err(),
        Some(format!(
            "stats sink `{hystrix}` is not supported by Nuncio yet"
        ))
    );
}

#[test]
fn a_logger_that_nuncio_has_not_is_refused_by_name() {
    let yaml = "name: a\ntyped_config:\n  \
        '@type': type.googleapis.com/envoy.extensions.access_loggers.wasm.v3.WasmAccessLog\n";
    assert_eq!(
        refusal(yaml),
        "access logger `envoy.extensions.access_loggers.wasm.v3.WasmAccessLog` is not supported by Nuncio yet"
    );
}

#[test]
fn a_filter_keeps_lines_from_the_logger() {
    let directory = crate::sink::tests::Directory::new();
    for (name, wanted, lines) in [("taken", 0, 1), ("left", 500, 0)] {
        let path = directory.path(name);
        let config = Config::new(&format!(
            "name: a\nfilter: {{status_code_filter: {{comparison: {{op: GE, value: {{default_value: {wanted}}}}}}}}}\n\
             typed_config:\n  '@type': type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog\n  path: {path}\n"
        ));
        config.log();
        let text = std::fs::read_to_string(&path).expect("the log is there");
        assert_eq!(text.lines().count(), lines, "{name}");
    }
}
