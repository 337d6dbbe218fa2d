//! What the filter does to a connection.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use nuncio_contract::formatter::FormatContext;
use nuncio_contract::grpc_client::GrpcStream;
use nuncio_contract::network_filter::{
    Conclusion, LookingOn, NetworkContext, NetworkFilter, NetworkFilterConfig,
    NetworkFilterFactory, NetworkStatus, Shaped,
};
use nuncio_contract::service_values::{fields_of, structure};
use nuncio_contract::services::LocalFuture;
use nuncio_contract::stats::Scope;
use nuncio_contract::stream_info::StreamInfo;
use nuncio_contract::stream_info::metadata::Value;
use nuncio_service_messages::common::{Metadata, Struct};
use nuncio_service_messages::network_ext_proc::{Data, PROCESS, ProcessingRequest};

use super::config::{Config, DEFAULT_MESSAGE_TIMEOUT, Settings};
use super::session::{NetworkExtProcStats, Outcome, READ, Session, WRITE};

/// The longest message of a service that says no limit.
const MAX_MESSAGE_BYTES: usize = 32 << 20;

struct Shared {
    settings: Arc<Settings>,
    stats: Arc<NetworkExtProcStats>,
}

struct Processing {
    settings: Arc<Settings>,
    session: Rc<RefCell<Session>>,
}

impl NetworkFilterConfig for Config {
    fn for_worker(&self, root: &Scope) -> Box<dyn NetworkFilterFactory> {
        let scope = root.scope(&format!("network_ext_proc.{}", self.0.stat_prefix));
        Box::new(Shared {
            settings: Arc::clone(&self.0),
            stats: scope.map_or_else(Arc::default, |scope| scope.worker_group()),
        })
    }

    /// Whatever it is told: what it holds may change, which the TCP proxy alone knows how to take.
    fn sees_answers(&self) -> bool {
        true
    }
}

impl NetworkFilterFactory for Shared {
    fn wants_data(&self) -> bool {
        true
    }

    fn sees_answers(&self) -> bool {
        true
    }

    fn create(&self) -> Box<dyn NetworkFilter> {
        let passes_on_error = self.settings.passes_on_error;
        let session = Session::new(passes_on_error, Arc::clone(&self.stats));
        Box::new(Processing {
            settings: Arc::clone(&self.settings),
            session: Rc::new(RefCell::new(session)),
        })
    }
}

impl NetworkFilter for Processing {
    fn on_data(
        &mut self,
        context: &mut NetworkContext<'_>,
        data: &[u8],
        end_stream: bool,
    ) -> NetworkStatus {
        let told = self.tell(READ, &mut context.looking_on(), data, end_stream);
        told.map_or(NetworkStatus::Continue, NetworkStatus::Shape)
    }

    fn shape_answer(
        &mut self,
        context: &mut LookingOn<'_>,
        data: &[u8],
        end_stream: bool,
    ) -> Option<LocalFuture<Shaped>> {
        self.tell(WRITE, context, data, end_stream)
    }

    fn poll_unasked(&mut self, of_answers: bool, cx: &mut Context<'_>) -> Poll<()> {
        let direction = if of_answers { WRITE } else { READ };
        self.session.borrow_mut().poll_unasked(direction, cx)
    }
}

impl Drop for Processing {
    fn drop(&mut self) {
        self.session.borrow_mut().end();
    }
}

impl Processing {
    /// Tells the service; what becomes of what it was told, or none if it goes on as it is.
    fn tell(
        &self,
        direction: usize,
        context: &mut LookingOn<'_>,
        data: &[u8],
        end_stream: bool,
    ) -> Option<LocalFuture<Shaped>> {
        let tells = self.settings.tells.get(direction);
        let tells = tells.is_some_and(|tells| *tells);
        // No new bytes: what the service still says of those that it was told before.
        let asks_more = data.is_empty() && !end_stream;
        let mut session = self.session.borrow_mut();
        session.catch_up();
        if tells && session.is_new() {
            session.begun(self.settings.begin(context));
        }
        let was_told = tells && !asks_more && session.is_open();
        if was_told {
            let data = Data {
                data: data.to_vec(),
                end_of_stream: end_stream,
            };
            let request = self.settings.request(direction, data, context.stream_info);
            session.send(direction, &request);
        }
        let is_idle = !was_told && session.close().is_none();
        let has_kept = match tells {
            true => session.has_kept(direction),
            false => session.has_answers(direction),
        };
        if is_idle && !has_kept && !(tells && asks_more) {
            if end_stream {
                session.note_end(direction);
            }
            return None;
        }
        drop(session);
        let limit = self.settings.message_timeout;
        // Nor does the connection wait for ever for more of the end.
        let limit = limit.or((!was_told).then_some(DEFAULT_MESSAGE_TIMEOUT));
        Some(Box::pin(shape(Asked {
            session: Rc::clone(&self.session),
            settings: Arc::clone(&self.settings),
            late: limit.map(|limit| context.services.sleep(limit)),
            direction,
            was_told,
            held: data.to_vec(),
            end_stream,
        })))
    }
}

/// What a direction holds.
struct Asked {
    session: Rc<RefCell<Session>>,
    settings: Arc<Settings>,
    late: Option<LocalFuture<()>>,
    direction: usize,
    was_told: bool,
    held: Vec<u8>,
    end_stream: bool,
}

/// What goes on of what a direction holds.
async fn shape(asked: Asked) -> Shaped {
    let Asked {
        session,
        settings,
        mut late,
        direction,
        was_told,
        held,
        end_stream,
    } = asked;
    let outcome = poll_fn(|cx| {
        let mut session = session.borrow_mut();
        let outcome = session.poll_outcome(direction, was_told, cx).map(Some);
        let late = late.as_mut();
        if outcome.is_ready() || late.is_none_or(|late| late.as_mut().poll(cx).is_pending()) {
            return outcome;
        }
        if !was_told {
            return Poll::Ready(None);
        }
        session.time_out();
        session.poll_outcome(direction, was_told, cx).map(Some)
    });
    let Some(outcome) = outcome.await else {
        // The service keeps the end.
        return Shaped {
            instead: None,
            end_stream: false,
            is_part: false,
            conclusion: None,
        };
    };
    let mut session = session.borrow_mut();
    let has_told_end = session.has_told_end(direction);
    let (instead, end_stream, close) = match outcome {
        Outcome::Answer(data) if was_told => (Some(data.data), data.end_of_stream, None),
        // It is of what came before, or was said unasked.
        Outcome::Answer(data) => {
            let all = [data.data, held].concat();
            (Some(all), data.end_of_stream || end_stream, None)
        }
        Outcome::AsItCame(before) if before.is_empty() => (None, end_stream || has_told_end, None),
        Outcome::AsItCame(before) => {
            let all = [before, held].concat();
            (Some(all), end_stream || has_told_end, None)
        }
        Outcome::Close(close) => (None, end_stream, Some(close)),
    };
    if end_stream {
        session.note_end(direction);
    }
    // Once this has gone on.
    let is_part = close.is_none() && session.close().is_some();
    let metadata = session.take_metadata();
    let conclusion: Conclusion = Box::new(move |info, _| {
        let structs = metadata.into_iter();
        structs.for_each(|of| settings.note(of, info));
        close
    });
    Shaped {
        instead,
        end_stream,
        is_part,
        conclusion: Some(conclusion),
    }
}

impl Settings {
    fn begin(&self, context: &LookingOn<'_>) -> Option<GrpcStream> {
        let calls = context.services.calls()?;
        let of = FormatContext::new(context.stream_info, context.services);
        let mut stream = self.target.stream(&*calls, PROCESS, Some(&of)).ok()?;
        stream.limit_messages(MAX_MESSAGE_BYTES);
        Some(stream)
    }

    fn request(&self, direction: usize, data: Data, info: &StreamInfo) -> ProcessingRequest {
        let (read_data, write_data) = match direction {
            READ => (Some(data), None),
            _ => (None, Some(data)),
        };
        ProcessingRequest {
            read_data,
            write_data,
            metadata: self.metadata(info),
        }
    }

    /// The metadata that is told, if there is any.
    fn metadata(&self, info: &StreamInfo) -> Option<Metadata> {
        let of = info.dynamic_metadata()?;
        let chosen = self.forwarded.iter();
        let chosen = chosen.filter_map(|name| Some((name.clone(), structure(of.namespace(name)?))));
        let metadata = Metadata {
            filter_metadata: chosen.collect(),
        };
        (!metadata.filter_metadata.is_empty()).then_some(metadata)
    }

    /// Notes what the service says, of the namespaces that are taken from it.
    fn note(&self, said: Struct, info: &mut StreamInfo) {
        let said = fields_of(said);
        for name in &self.received {
            if let Some(Value::Struct(fields)) = said.get(name) {
                info.dynamic_metadata_mut().merge(name, fields.clone());
            }
        }
    }
}
