//! Messages to the processor, and the stream that they go by.

use nuncio_contract::formatter::FormatContext;
use nuncio_contract::grpc::status;
use nuncio_contract::grpc_client::GrpcEnd;
use nuncio_contract::headers::HeaderMap;
use nuncio_contract::http_filter::FilterContext;
use nuncio_service_messages::ext_proc::{PROCESS, Part, ProcessingRequest};

use super::attributes;
use super::config::Level;
use super::fail::Failure;
use super::filter::Filter;
use super::session::Session;
use super::side::Way;
use super::told;

impl Filter {
    /// A message to the processor, whose stream begins with the first.
    pub(super) fn tell_with(
        &mut self,
        way: Way,
        part: Part,
        context: &FilterContext<'_>,
        response: Option<&HeaderMap>,
    ) -> Result<(), Failure> {
        if matches!(self.session, Session::New) {
            self.session = self.open(context)?;
        }
        let mut message = self.message(way, part, context, response);
        if !std::mem::replace(&mut self.is_protocol_told, true) {
            let settings = &self.worker.settings;
            message.protocol_config = Some(told::protocol(settings, self.effective.modes));
        }
        self.session.send(&message, &self.worker.stats.cells);
        Ok(())
    }

    pub(super) fn message(
        &self,
        way: Way,
        part: Part,
        context: &FilterContext<'_>,
        response: Option<&HeaderMap>,
    ) -> ProcessingRequest {
        let settings = &self.worker.settings;
        let namespaces = &self.effective.namespaces.told;
        let is_head = matches!(part, Part::RequestHeaders(_) | Part::ResponseHeaders(_));
        let mut message = told::message(part, settings, namespaces, context.stream_info);
        if is_head {
            let list = match way {
                Way::Request => &settings.request_attributes,
                Way::Response => &settings.response_attributes,
            };
            message.attributes = attributes::told(list, context, response);
        }
        message
    }

    pub(super) fn open(&self, context: &FilterContext<'_>) -> Result<Session, Failure> {
        let stats = &self.worker.stats.cells;
        let mut of = FormatContext::new(context.stream_info, context.services);
        of.request_headers = Some(context.request_headers);
        let levels = || context.route.all::<Level>().rev();
        let overrides = || {
            levels().filter_map(|level| match level {
                Level::Overrides(overrides) => Some(&**overrides),
                Level::Disabled => None,
            })
        };
        let own = overrides().find_map(|it| it.target.as_ref());
        let target = own.unwrap_or(&self.worker.settings.target);
        let more = overrides().find(|it| !it.metadata.is_empty());
        let calls = context.services.calls();
        let begun = match &calls {
            None => Err(GrpcEnd::new(status::UNAVAILABLE, "Cluster not available")),
            Some(calls) => match more {
                None => target.stream(&**calls, PROCESS, Some(&of)),
                Some(more) => target.stream_with(&**calls, PROCESS, &more.metadata, Some(&of)),
            },
        };
        match (begun, calls) {
            (Ok(stream), Some(calls)) => {
                stats.streams_started.inc();
                Ok(Session::open(stream, calls))
            }
            (Err(end), _) => {
                stats.streams_failed.inc();
                stats.server_half_closed.inc();
                Err(Failure::ended(&end))
            }
            (Ok(_), None) => Err(Failure::spurious()),
        }
    }

    /// An answer is due within the time for it.
    pub(super) fn await_answer(&mut self, way: Way, context: &FilterContext<'_>) {
        let timeout = self.worker.settings.message_timeout;
        let side = self.side_mut(way);
        side.took_more_time = false;
        side.timer = Some(context.services.sleep(timeout));
    }
}
