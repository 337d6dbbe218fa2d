//! What the processor says of a part of a stream, and what becomes of it.

use std::time::Duration;

use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::{HeaderMap, Known, MapKind};
use nuncio_contract::http_filter::FilterContext;
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::service_values::fields_of;
use nuncio_contract::stream_info::metadata::Value;
use nuncio_service_messages::common;
use nuncio_service_messages::ext_proc::{
    Answer, CommonResponse, HeaderMutation, ImmediateResponse, Mutation, ProcessingMode,
    ProcessingResponse, TrailersAnswer,
};

use super::fail::Failure;
use super::filter::Filter;
use super::heads::{Changing, length_of};
use super::messages::RouteCacheAction;
use super::modes::BodyMode;
use super::side::{Side, Trailers, Way};

/// `CONTINUE_AND_REPLACE`.
const REPLACE: i32 = 1;
const OK: u16 = 200;
/// The shortest time that the processor may ask for.
const MIN_MESSAGE_TIMEOUT: Duration = Duration::from_millis(1);
const WRONG_MUTATION: &str = "spurious_message: Normal body mutation response is received while body mode  is FULL_DUPLEX_STREAMED";

/// Which direction an answer is of; none for an answer in the place of all.
pub(super) fn way_of(message: &ProcessingResponse) -> Option<Way> {
    match message.answer.as_ref()? {
        Answer::RequestHeaders(_) | Answer::RequestBody(_) | Answer::RequestTrailers(_) => {
            Some(Way::Request)
        }
        Answer::ResponseHeaders(_) | Answer::ResponseBody(_) | Answer::ResponseTrailers(_) => {
            Some(Way::Response)
        }
        Answer::Immediate(_) => None,
    }
}

/// A head or trailers that an answer changes.
pub(super) type Head<'a> = Option<&'a mut HeaderMap>;

impl Filter {
    /// Does what a message says of its direction; `head` is the response's, if the message is of a response.
    pub(super) fn take_answer(
        &mut self,
        way: Way,
        message: ProcessingResponse,
        context: &mut FilterContext<'_>,
        head: Head<'_>,
    ) -> Result<(), Failure> {
        let ProcessingResponse {
            answer,
            dynamic_metadata,
            mode_override,
            ..
        } = message;
        match answer {
            Some(Answer::RequestHeaders(answer) | Answer::ResponseHeaders(answer))
                if self.side(way).awaits_head =>
            {
                self.note_answer(way, dynamic_metadata, context);
                let common = answer.response.unwrap_or_default();
                self.take_head(way, common, mode_override, context, head)
            }
            Some(Answer::RequestBody(answer) | Answer::ResponseBody(answer))
                if self.awaits_body(way) =>
            {
                let common = answer.response.unwrap_or_default();
                if self.side(way).modes.body == BodyMode::FullDuplex {
                    self.take_duplex(way, common, dynamic_metadata, context)
                } else {
                    self.note_answer(way, dynamic_metadata, context);
                    self.take_body(way, common, context, head)
                }
            }
            Some(Answer::RequestTrailers(answer) | Answer::ResponseTrailers(answer))
                if self.awaits_trailers(way) =>
            {
                self.note_answer(way, dynamic_metadata, context);
                self.take_trailers(way, answer)
            }
            None => {
                self.worker.stats.cells.spurious_msgs_received.inc();
                Err(Failure::of_processor("unhandled_message"))
            }
            Some(_) => {
                self.worker.stats.cells.spurious_msgs_received.inc();
                Err(Failure::spurious())
            }
        }
    }

    fn awaits_body(&self, way: Way) -> bool {
        let side = self.side(way);
        match side.modes.body {
            BodyMode::FullDuplex => side.shows_body() && !side.awaits_head && !side.duplex_ended,
            _ => !side.awaits_head && !side.told.is_empty(),
        }
    }

    fn awaits_trailers(&self, way: Way) -> bool {
        let side = self.side(way);
        let ends_duplex = side.shows_body()
            && side.modes.body == BodyMode::FullDuplex
            && side.told_all
            && !side.duplex_ended;
        matches!(side.trailers, Trailers::Told) && side.told.is_empty() && !side.awaits_head
            || ends_duplex && !side.awaits_head
    }

    fn note_answer(
        &mut self,
        way: Way,
        metadata: Option<common::Struct>,
        context: &mut FilterContext<'_>,
    ) {
        self.worker.stats.cells.stream_msgs_received.inc();
        self.side_mut(way).timer = None;
        self.take_metadata(metadata, context);
    }

    fn take_metadata(&self, metadata: Option<common::Struct>, context: &mut FilterContext<'_>) {
        let taken = &self.effective.namespaces.taken;
        for (name, value) in metadata.map(fields_of).iter().flat_map(|all| all.fields()) {
            if let Value::Struct(fields) = value
                && taken.iter().any(|known| known == name)
            {
                let all = context.stream_info.dynamic_metadata_mut();
                all.merge(name, fields.clone());
            }
        }
    }

    fn take_head(
        &mut self,
        way: Way,
        common: CommonResponse,
        modes: Option<ProcessingMode>,
        context: &mut FilterContext<'_>,
        head: Head<'_>,
    ) -> Result<(), Failure> {
        self.side_mut(way).awaits_head = false;
        if let Some(wanted) = modes {
            self.choose_modes(way, &wanted);
        }
        let is_new = common.status == REPLACE;
        let headers = head.unwrap_or(&mut *context.request_headers);
        if let Some(mutation) = &common.header_mutation {
            self.change_head(way, mutation, headers, is_new)?;
        }
        let side = self.side_mut(way);
        if is_new {
            let body = common.body_mutation.and_then(|it| it.mutation);
            if let Some(Mutation::Body(bytes)) = body {
                headers.remove(Known::ContentLength);
                side.length_before = None;
                side.pass();
                side.is_replaced = true;
                side.ready = Buffer::default();
                side.ready.extend(&bytes);
                side.came_all |= side.is_bare;
            }
            side.is_over = true;
            side.lets_head_go = true;
            restore_length(side, headers);
        } else {
            self.settle_head(way);
        }
        self.find_route_anew(way, common.clear_route_cache, context);
        self.tell_more(way, context, false)?;
        self.let_settled_head_go(way);
        Ok(())
    }

    /// Whether a head goes on before its body.
    fn settle_head(&mut self, way: Way) {
        let side = self.side_mut(way);
        let waits = match side.modes.body {
            _ if side.is_bare || side.is_over => false,
            BodyMode::None | BodyMode::FullDuplex => false,
            BodyMode::Streamed => !side.came.is_empty() || side.came_all || !side.told.is_empty(),
            BodyMode::Buffered | BodyMode::Partial => true,
        };
        side.lets_head_go |= side.holds_head && !waits;
    }

    /// Takes the length out of a head if it does not hold for what the processor may make of its body; whether there is
    /// a body, and what the processor chooses by its answer, do not matter, as in Envoy.
    pub(super) fn remove_length(&mut self, way: Way, headers: &mut HeaderMap) {
        let trusts = self.worker.settings.trusts_lengths;
        let side = self.side_mut(way);
        side.is_length_removed = match side.modes.body {
            BodyMode::None => false,
            BodyMode::Buffered => !side.modes.head && !trusts,
            BodyMode::Streamed | BodyMode::Partial | BodyMode::FullDuplex => !trusts,
        };
        if side.is_length_removed {
            headers.remove(Known::ContentLength);
        }
    }

    /// A head that waited for a body or trailers goes on once they are settled.
    fn let_settled_head_go(&mut self, way: Way) {
        let side = self.side_mut(way);
        let waits_for_body = side.shows_body()
            && matches!(side.modes.body, BodyMode::Buffered | BodyMode::Partial)
            && !side.told_all
            && matches!(side.trailers, Trailers::None);
        let is_settled = !side.awaits() && !waits_for_body;
        side.lets_head_go |= side.holds_head && is_settled;
    }

    fn change_head(
        &mut self,
        way: Way,
        mutation: &HeaderMutation,
        headers: &mut HeaderMap,
        replaces: bool,
    ) -> Result<(), Failure> {
        let settings = &self.worker.settings;
        let side = self.side(way);
        let takes_length = !side.is_bare && side.shows_body() && !side.is_length_removed;
        let before = headers.get(Known::ContentLength).map(<[u8]>::to_vec);
        let changing = Changing {
            rules: &settings.rules,
            stats: Some(&self.worker.stats.cells),
            replaces,
            takes_length,
            is_answer: false,
        };
        changing.apply(mutation, headers)?;
        if headers.get(Known::ContentLength) != before.as_deref() {
            self.side_mut(way).length_before.get_or_insert(before);
        }
        Ok(())
    }

    fn choose_modes(&mut self, way: Way, wanted: &ProcessingMode) {
        let settings = &self.worker.settings;
        if !settings.takes_modes || settings.bodies_do_not_wait {
            return;
        }
        let Some(chosen) = self.effective.modes.chosen(wanted) else {
            return;
        };
        let allowed = &settings.allowed_modes;
        if !allowed.is_empty() && !allowed.iter().any(|one| one.is_like(chosen)) {
            return;
        }
        if way == Way::Request {
            self.request.modes = chosen.request;
            self.response.modes = chosen.response;
        } else {
            self.response.modes.body = chosen.response.body;
            self.response.modes.trailers = chosen.response.trailers;
        }
    }

    fn find_route_anew(&self, way: Way, is_asked: bool, context: &FilterContext<'_>) {
        let stats = &self.worker.stats.cells;
        match (way, self.worker.settings.route) {
            (Way::Response, _) if is_asked => stats.clear_route_cache_ignored.inc(),
            (Way::Response, _) => {}
            (Way::Request, RouteCacheAction::Retain) if is_asked => {
                stats.clear_route_cache_disabled.inc();
            }
            (Way::Request, RouteCacheAction::Clear) => context.route_is_stale.set(true),
            (Way::Request, RouteCacheAction::Default) if is_asked => {
                context.route_is_stale.set(true);
            }
            (Way::Request, _) => {}
        }
    }

    fn take_body(
        &mut self,
        way: Way,
        common: CommonResponse,
        context: &mut FilterContext<'_>,
        head: Head<'_>,
    ) -> Result<(), Failure> {
        let Some(told) = self.side_mut(way).told.pop_front() else {
            return Err(Failure::spurious());
        };
        let headers = head.unwrap_or(&mut *context.request_headers);
        if self.side(way).holds_head
            && let Some(mutation) = &common.header_mutation
        {
            self.change_head(way, mutation, headers, common.status == REPLACE)?;
        }
        let taken_bytes = told.bytes.len();
        let mutation = common.body_mutation.map(|it| it.mutation);
        let (bytes, said_bytes) = match mutation {
            None => (told.bytes, taken_bytes),
            Some(Some(Mutation::Body(bytes))) => {
                let mut body = Buffer::default();
                body.extend(&bytes);
                (body, bytes.len())
            }
            Some(Some(Mutation::Clear(true))) => (Buffer::default(), 0),
            Some(_) => (told.bytes, 0),
        };
        let side = self.side_mut(way);
        let is_whole = side.modes.body == BodyMode::Buffered || side.told_all;
        if side.holds_head && is_whole && side.told.is_empty() {
            check_length(headers, side.ready.len() + said_bytes)?;
        }
        side.settled_bytes += taken_bytes;
        side.ready.append(bytes);
        if side.awaits() {
            self.await_answer(way, context);
        }
        self.find_route_anew(way, common.clear_route_cache, context);
        self.tell_more(way, context, false)?;
        self.let_settled_head_go(way);
        Ok(())
    }

    /// A piece of a body that comes from the processor.
    fn take_duplex(
        &mut self,
        way: Way,
        common: CommonResponse,
        metadata: Option<common::Struct>,
        context: &mut FilterContext<'_>,
    ) -> Result<(), Failure> {
        let mutation = common.body_mutation.and_then(|it| it.mutation);
        let Some(Mutation::Streamed(piece)) = mutation else {
            self.worker.stats.cells.spurious_msgs_received.inc();
            return Err(Failure::of_processor(WRONG_MUTATION));
        };
        self.note_answer(way, metadata, context);
        let side = self.side_mut(way);
        side.ready.extend(&piece.body);
        side.duplex_ended |= piece.end_of_stream;
        Ok(())
    }

    fn take_trailers(&mut self, way: Way, answer: TrailersAnswer) -> Result<(), Failure> {
        let kind = match way {
            Way::Request => MapKind::RequestTrailers,
            Way::Response => MapKind::ResponseTrailers,
        };
        let mutation = answer.header_mutation;
        if let Some(mutation) = &mutation {
            // What cannot be shows here, before anything goes on.
            let mut tried = HeaderMap::new(kind);
            let stats = Some(&*self.worker.stats.cells);
            self.changing_trailers(stats).apply(mutation, &mut tried)?;
        }
        let side = self.side_mut(way);
        match side.trailers {
            Trailers::Told => side.trailers = Trailers::Settled(mutation),
            _ => side.duplex_ended = true,
        }
        side.lets_head_go |= side.holds_head;
        Ok(())
    }

    pub(super) fn changing_trailers<'a>(
        &'a self,
        stats: Option<&'a super::stats::ExtProcStats>,
    ) -> Changing<'a> {
        Changing {
            rules: &self.worker.settings.rules,
            stats,
            replaces: false,
            takes_length: false,
            is_answer: false,
        }
    }

    /// The processor asks for more time; an answer that does so says nothing else.
    pub(super) fn take_more_time(&mut self, asked: common::Duration, context: &FilterContext<'_>) {
        let stats = &self.worker.stats.cells;
        let seconds = u64::try_from(asked.seconds).unwrap_or(0);
        let nanos = u32::try_from(asked.nanos).unwrap_or(0).min(999_999_999);
        let asked = Duration::new(seconds, nanos);
        let max = self.worker.settings.max_message_timeout;
        let sides = [&mut self.request, &mut self.response];
        let waiting = sides.into_iter().find(|side| side.timer.is_some());
        let Some(side) = waiting
            .filter(|side| !side.took_more_time && asked >= MIN_MESSAGE_TIMEOUT && asked <= max)
        else {
            return stats.override_message_timeout_ignored.inc();
        };
        side.took_more_time = true;
        side.timer = Some(context.services.sleep(asked));
        stats.override_message_timeout_received.inc();
    }

    /// An answer in the place of all.
    pub(super) fn take_immediate(
        &mut self,
        immediate: ImmediateResponse,
        metadata: Option<common::Struct>,
        context: &mut FilterContext<'_>,
    ) -> Result<Box<LocalReply>, Failure> {
        let settings = &self.worker.settings;
        let stats = &self.worker.stats.cells;
        if settings.takes_no_answers {
            stats.spurious_msgs_received.inc();
            return Err(Failure::of_processor(
                "unhandled_immediate_response_due_to_config_disabled_it",
            ));
        }
        stats.stream_msgs_received.inc();
        self.take_metadata(metadata, context);
        let code = immediate.status.map_or(0, |status| status.code);
        let code = u16::try_from(code).unwrap_or(OK);
        let status = match (OK..1000).contains(&code) {
            true => code,
            false => OK,
        };
        let details = immediate.details.replace(char::is_whitespace, "_");
        let mut reply = LocalReply::new(status, immediate.body, details);
        reply.grpc_status = immediate.grpc_status.map(|grpc| grpc.status);
        let mut headers = HeaderMap::response();
        let changing = Changing {
            is_answer: true,
            ..self.changing_trailers(Some(stats))
        };
        if let Some(mutation) = &immediate.headers {
            // What is refused as a mistake ends the changes, and no more.
            let _the_answer_is_given_all_the_same = changing.apply(mutation, &mut headers);
        }
        reply.repeats_names = true;
        reply.headers = headers
            .iter_regular()
            .filter_map(|header| {
                let name = std::str::from_utf8(header.name).ok()?;
                let name = nuncio_contract::headers::HeaderName::parse(name).ok()?;
                Some((name, header.value.to_vec()))
            })
            .collect();
        Ok(Box::new(reply))
    }
}

/// A length that the processor has said does not hold for a body that goes on as it came.
pub(super) fn restore_length(side: &mut Side, headers: &mut HeaderMap) {
    match side.length_before.take() {
        Some(Some(before)) => headers.set(Known::ContentLength, &before),
        Some(None) => {
            headers.remove(Known::ContentLength);
        }
        None => {}
    }
}

/// A length in a head must be that of the body.
fn check_length(headers: &HeaderMap, bytes: usize) -> Result<(), Failure> {
    let Some(value) = headers.get(Known::ContentLength) else {
        return Ok(());
    };
    let is_true = length_of(value).is_some_and(|length| usize::try_from(length) == Ok(bytes));
    match is_true {
        true => Ok(()),
        false => Err(Failure::bad_length()),
    }
}
