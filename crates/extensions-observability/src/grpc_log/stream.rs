//! The stream of a worker: entries are gathered, put into messages and sent; what comes back is passed over.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use nuncio_contract::calls::Calls;
use nuncio_contract::grpc_client::GrpcStream;
use nuncio_contract::services::WorkerServices;
use nuncio_contract::stat_group;
use nuncio_contract::stats::Scope;
use nuncio_service_messages::Message;
use nuncio_service_messages::access_log::{
    Entries, HttpEntries, HttpEntry, Identifier, STREAM_ACCESS_LOGS, StreamAccessLogsMessage,
    TcpEntries, TcpEntry,
};

use super::config::Settings;
use crate::kept_stream::poll_over;
use crate::of_thread::OfThread;

/// A stream with more than this unsent takes no more.
const MAX_UNSENT_BYTES: usize = 1 << 20;

stat_group! {
    /// What became of entries.
    pub struct GrpcLogStats("access_logs.grpc_access_log.") {
        counters {
            grpc_entries_flush_failed,
            grpc_entries_flushed,
            logs_dropped,
            logs_written,
        }
    }
}

/// An entry.
pub(super) enum Entry {
    Http(Box<HttpEntry>),
    Tcp(Box<TcpEntry>),
}

/// Whether logs are of requests, and what they are written as.
type Key = (bool, Vec<u8>);

thread_local! {
    /// The streams of this thread.
    static STREAMS: OfThread<Key, LogStream> = OfThread::default();
}

/// The stream of all logs of one configuration on a worker.
pub(super) struct LogStream {
    settings: Arc<Settings>,
    stats: Arc<GrpcLogStats>,
    state: RefCell<State>,
    me: Weak<LogStream>,
}

#[derive(Default)]
struct State {
    http: Vec<HttpEntry>,
    tcp: Vec<TcpEntry>,
    /// How much they come to.
    bytes: usize,
    has_timer: bool,
    stream: Option<GrpcStream>,
    /// Of the task that moves the stream.
    waker: Option<Waker>,
}

impl LogStream {
    /// The stream of this thread for a log.
    pub(super) fn of_thread(settings: &Arc<Settings>, is_http: bool, scope: &Scope) -> Rc<Self> {
        STREAMS.with(|streams| {
            streams.get_or_make((is_http, settings.written.clone()), |me| LogStream {
                settings: Arc::clone(settings),
                stats: scope
                    .root()
                    .map(|root| root.worker_group())
                    .unwrap_or_default(),
                state: RefCell::default(),
                me,
            })
        })
    }

    /// What its logs say.
    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Takes an entry.
    pub(super) fn log(&self, entry: Entry, services: &dyn WorkerServices) {
        let Some(calls) = services.calls() else {
            return self.stats.logs_dropped.inc();
        };
        if self.is_full() {
            self.flush(&calls, services);
            if self.is_full() {
                return self.stats.logs_dropped.inc();
            }
        }
        if matches!(entry, Entry::Http(_)) {
            // Envoy counts none of the others.
            self.stats.logs_written.inc();
        }
        let mut state = self.state.borrow_mut();
        match entry {
            Entry::Http(entry) => {
                state.bytes += entry.encoded_len();
                state.http.push(*entry);
            }
            Entry::Tcp(entry) => {
                state.bytes += entry.encoded_len();
                state.tcp.push(*entry);
            }
        }
        let is_due = state.bytes >= self.settings.max_bytes;
        let wants_timer = !is_due && !std::mem::replace(&mut state.has_timer, true);
        drop(state);
        if is_due {
            self.flush(&calls, services);
        } else if wants_timer {
            self.flush_later(calls, services);
        }
    }

    fn is_full(&self) -> bool {
        let max = self.settings.max_bytes;
        max > 0 && self.state.borrow().bytes >= max
    }

    fn flush_later(&self, calls: Calls, services: &dyn WorkerServices) {
        let Some(me) = self.me.upgrade() else { return };
        let node = services.local_node();
        let (sleeping, spawning) = (calls.sleep(self.settings.interval), Rc::clone(&calls));
        spawning.spawn(Box::pin(async move {
            sleeping.await;
            me.state.borrow_mut().has_timer = false;
            me.flush_as(&calls, || {
                node.as_deref()
                    .map(|node| node.encoded.clone())
                    .unwrap_or_default()
            });
        }));
    }

    fn flush(&self, calls: &Calls, services: &dyn WorkerServices) {
        let node = || services.local_node();
        self.flush_as(calls, || {
            node().map(|node| node.encoded.clone()).unwrap_or_default()
        });
    }

    /// Sends what was gathered, in a message that says who tells if it is the first one.
    fn flush_as(&self, calls: &Calls, node: impl FnOnce() -> Vec<u8>) {
        let mut state = self.state.borrow_mut();
        let count = state.http.len() + state.tcp.len();
        if count == 0 {
            return;
        }
        let is_first = state.stream.is_none();
        if is_first
            && let Ok(stream) = self
                .settings
                .target
                .stream(&**calls, STREAM_ACCESS_LOGS, None)
        {
            state.stream = Some(stream);
            self.begin_to_move(calls);
        }
        let unsent = state.stream.as_ref().map(GrpcStream::unsent_bytes);
        if unsent.is_some_and(|unsent| unsent > MAX_UNSENT_BYTES) {
            return;
        }
        let message = StreamAccessLogsMessage {
            identifier: is_first.then(|| Identifier {
                node: node(),
                log_name: self.settings.log_name.clone(),
            }),
            log_entries: Some(match state.tcp.is_empty() {
                true => Entries::Http(HttpEntries {
                    log_entry: std::mem::take(&mut state.http),
                }),
                false => Entries::Tcp(TcpEntries {
                    log_entry: std::mem::take(&mut state.tcp),
                }),
            }),
        };
        state.bytes = 0;
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        match &mut state.stream {
            Some(stream) => {
                stream.send(&message.encode_to_vec());
                self.stats.grpc_entries_flushed.add(count);
            }
            None => self.stats.grpc_entries_flush_failed.add(count),
        }
        let waker = state.waker.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }

    fn begin_to_move(&self, calls: &Calls) {
        let me = Weak::clone(&self.me);
        // While there is something to send, the stream stays, even if its logs are gone.
        let mut kept = Vec::new();
        calls.spawn(Box::pin(poll_fn(move |cx| {
            let Some(stream) = me.upgrade() else {
                return Poll::Ready(());
            };
            let polled = stream.poll(cx);
            kept.clear();
            kept.extend(stream.has_unsent().then_some(stream));
            polled
        })));
    }

    fn has_unsent(&self) -> bool {
        let state = self.state.borrow();
        state
            .stream
            .as_ref()
            .is_some_and(|stream| stream.unsent_bytes() > 0)
    }

    /// Ready once the stream is over.
    fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let state = &mut *self.state.borrow_mut();
        poll_over(&mut state.stream, &mut state.waker, cx)
    }
}

/// Wakes the task that moves the stream, so that it ends.
impl Drop for LogStream {
    fn drop(&mut self) {
        let waker = self.state.get_mut().waker.take();
        waker.into_iter().for_each(Waker::wake);
    }
}
