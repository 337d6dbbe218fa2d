//! What a plugin does to a stream: both directions alike.

use std::mem::take;
use std::rc::Rc;

use nuncio_contract::buffer::Buffer;
use nuncio_contract::formatter::FormatContext;
use nuncio_contract::headers::{HeaderMap, MapKind};
use nuncio_contract::http_filter::{
    DataStatus, FilterContext, HeadersStatus, HttpFilter, TrailersStatus,
};
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::stream_info::Protocol;

use super::side::{DataSays, HeadSays, Side, closed, failed, too_large};
use crate::export::Export;
use crate::live::Sight;
use crate::logged;
use crate::turn::{
    Parts, begin_wait, deliver_waiting, end_wait, forget_resume, see, take_outcome, turn, woken,
};
use crate::vm::Called;
use crate::worker::{Found, OnThread};

/// A stream's.
pub(super) struct WasmFilter {
    /// None where streams go on without it.
    plugin: Option<Rc<OnThread>>,
    /// The plugin is not there, and streams are refused.
    refuses: bool,
    /// The stream was answered since the plugin failed.
    has_failed: bool,
    /// The plugin's context of the stream; 0 before there is one.
    id: u32,
    sides: [Side; 2],
}

/// The functions of a direction.
const HEADERS: [Export; 2] = [Export::RequestHeaders, Export::ResponseHeaders];
const BODY: [Export; 2] = [Export::RequestBody, Export::ResponseBody];
const TRAILERS: [Export; 2] = [Export::RequestTrailers, Export::ResponseTrailers];

/// What comes of a wait, or of a call.
enum Next {
    GoesOn,
    Waits,
    Reply(Box<LocalReply>),
}

impl WasmFilter {
    pub(super) fn new(found: Found) -> Self {
        let (plugin, refuses) = match found {
            Found::Runs(plugin) => (Some(plugin), false),
            Found::PassedOver => (None, false),
            Found::Refuses => (None, true),
        };
        WasmFilter {
            plugin,
            refuses,
            has_failed: false,
            id: 0,
            sides: Default::default(),
        }
    }

    /// The plugin, if it is to see this direction.
    fn active(&self, direction: usize) -> Option<Rc<OnThread>> {
        let knows = self.id != 0 && !(direction == 1 && self.has_failed);
        self.plugin.clone().filter(|_| knows)
    }

    fn side(&mut self, direction: usize) -> &mut Side {
        match direction {
            0 => &mut self.sides[0],
            _ => &mut self.sides[1],
        }
    }

    /// What becomes of the stream behind a call that failed.
    fn after_failure(&mut self, plugin: &OnThread) -> Next {
        if plugin.plugin.fails_open {
            return Next::GoesOn;
        }
        self.has_failed = true;
        Next::Reply(failed())
    }

    /// What was decided of a direction that would wait.
    fn decided(&mut self, plugin: &OnThread, direction: usize) -> Next {
        let outcome = take_outcome(&plugin.vm, self.id);
        if let Some(reply) = outcome.reply {
            return Next::Reply(reply);
        }
        if let Some(reason) = outcome.closes {
            return Next::Reply(closed(reason));
        }
        if plugin.vm.has_failed() {
            return self.after_failure(plugin);
        }
        let [request, response] = outcome.resumes;
        let (own, other) = match direction {
            0 => (request, [false, response]),
            _ => (response, [request, false]),
        };
        self.leave_to_other(plugin, direction, other);
        match own {
            true => Next::GoesOn,
            false => Next::Waits,
        }
    }

    /// Wakes the other direction, where that waits for this; one that does not has nothing to go on with.
    fn leave_to_other(&mut self, plugin: &OnThread, direction: usize, resumes: [bool; 2]) {
        if resumes == [false; 2] || !self.side(1 - direction.min(1)).waits {
            return;
        }
        plugin.vm.with(|host| {
            if let Some(context) = host.contexts.get_mut(&self.id) {
                context.outcome.resumes = resumes;
                context.waiting.wake();
            }
        });
    }

    /// Waits, or goes on with what was decided within the call.
    fn wait(&mut self, plugin: &OnThread, direction: usize) -> Next {
        let next = self.decided(plugin, direction);
        if matches!(next, Next::Waits) {
            begin_wait(&plugin.vm, self.id);
            self.side(direction).waits = true;
        }
        next
    }

    /// What came of a wait, once it was woken.
    fn go_on(
        &mut self,
        plugin: &OnThread,
        direction: usize,
        context: &mut FilterContext<'_>,
        mut parts: Parts<'_>,
    ) -> Next {
        let id = self.id;
        turn(&plugin.vm, id, context, &mut parts, |vm| {
            deliver_waiting(vm, id)
        });
        let next = self.decided(plugin, direction);
        if !matches!(next, Next::Waits) {
            end_wait(&plugin.vm, id);
            self.side(direction).waits = false;
        }
        next
    }

    fn headers(
        &mut self,
        direction: usize,
        context: &mut FilterContext<'_>,
        head: Option<&mut HeaderMap>,
        end_stream: bool,
    ) -> HeadersStatus {
        let Some(plugin) = self.active(direction) else {
            return HeadersStatus::Continue;
        };
        let id = self.id;
        let is_again = self.side(direction).waits;
        let next = if is_again {
            let parts = Parts {
                response: head,
                ..Parts::default()
            };
            self.go_on(&plugin, direction, context, parts)
        } else {
            see(&plugin.vm, id, |sight| {
                *seen_head(sight, direction) = true;
                sight.is_end = end_stream;
            });
            let count = match &head {
                Some(head) => head.len(),
                None => context.request_headers.len(),
            };
            let mut parts = Parts {
                response: head,
                ..Parts::default()
            };
            let is_old = plugin.plugin.base.abi == crate::engine::Abi::V0_1_0;
            let arguments = [length(count), u32::from(end_stream)];
            let arguments = arguments.get(..2 - usize::from(is_old)).unwrap_or_default();
            let export = HEADERS.get(direction).copied().unwrap_or(HEADERS[0]);
            forget_resume(&plugin.vm, id, direction);
            let called = turn(&plugin.vm, id, context, &mut parts, |vm| {
                vm.create_stream(id);
                vm.call(id, export, arguments)
            });
            match called {
                Called::Missing => Next::GoesOn,
                Called::Failed => self.after_failure(&plugin),
                Called::Returned(value, stops) => {
                    let says = HeadSays::of(value, stops, plugin.plugin.holds_heads);
                    match says {
                        HeadSays::Continue => self.passed(&plugin, direction),
                        HeadSays::Stop if !end_stream => {
                            return HeadersStatus::Stop;
                        }
                        HeadSays::Stop | HeadSays::StopAll => self.wait(&plugin, direction),
                    }
                }
            }
        };
        match next {
            Next::GoesOn => {
                see(&plugin.vm, id, |sight| *seen_head(sight, direction) = false);
                HeadersStatus::Continue
            }
            Next::Waits => HeadersStatus::Again(woken(&plugin.vm, id)),
            Next::Reply(reply) => HeadersStatus::Reply(reply),
        }
    }

    /// What else was decided in a call that lets the stream go on.
    fn passed(&mut self, plugin: &OnThread, direction: usize) -> Next {
        let outcome = take_outcome(&plugin.vm, self.id);
        let mut other = outcome.resumes;
        set(&mut other, direction, false);
        self.leave_to_other(plugin, direction, other);
        match (outcome.reply, outcome.closes) {
            (Some(reply), _) => Next::Reply(reply),
            (None, Some(reason)) => Next::Reply(closed(reason)),
            (None, None) => Next::GoesOn,
        }
    }

    fn data(
        &mut self,
        direction: usize,
        context: &mut FilterContext<'_>,
        data: &mut Buffer,
        end_stream: bool,
    ) -> DataStatus {
        let Some(plugin) = self.active(direction) else {
            return DataStatus::Continue;
        };
        let id = self.id;
        let mut trailers = HeaderMap::new(match direction {
            0 => MapKind::RequestTrailers,
            _ => MapKind::ResponseTrailers,
        });
        let mut says = DataSays::Continue;
        let is_again = self.side(direction).waits;
        let mut seen = match is_again {
            true => take(&mut self.side(direction).held),
            false => self.side(direction).take_seen(data),
        };
        see(&plugin.vm, id, |sight| {
            sight.is_end = end_stream;
            set(&mut sight.bodies, direction, true);
            set(&mut sight.adds_trailers, direction, end_stream);
        });
        let added = &mut trailers;
        let mut parts = Parts {
            body: Some((direction, &mut seen)),
            ..Parts::default()
        };
        match direction {
            0 => parts.request_trailers = Some(added),
            _ => parts.response_trailers = Some(added),
        }
        let next = if is_again {
            self.go_on(&plugin, direction, context, parts)
        } else {
            let bytes = parts.body.as_ref().map_or(0, |(_, body)| body.len());
            let arguments = [length(bytes), u32::from(end_stream)];
            let export = BODY.get(direction).copied().unwrap_or(BODY[0]);
            forget_resume(&plugin.vm, id, direction);
            let called = turn(&plugin.vm, id, context, &mut parts, |vm| {
                vm.call(id, export, &arguments)
            });
            match called {
                Called::Missing => Next::GoesOn,
                Called::Failed => self.after_failure(&plugin),
                Called::Returned(value, stops) => {
                    says = DataSays::of(value, stops);
                    match says {
                        DataSays::Continue => self.passed(&plugin, direction),
                        _ => self.decided(&plugin, direction),
                    }
                }
            }
        };
        self.after_data(
            &plugin,
            direction,
            context,
            data,
            After {
                next,
                seen,
                says,
                end_stream,
                is_again,
                trailers,
            },
        )
    }

    /// A chunk, whose end comes by itself where Envoy has it so.
    fn chunk(
        &mut self,
        direction: usize,
        context: &mut FilterContext<'_>,
        data: &mut Buffer,
        end_stream: bool,
    ) -> DataStatus {
        let is_whole = !end_stream || data.is_empty() || !ends_apart(direction, context);
        if is_whole || self.active(direction).is_none() || self.side(direction).waits {
            return self.data(direction, context, data, end_stream);
        }
        let mut first = take(data);
        let goes_on = match self.data(direction, context, &mut first, false) {
            DataStatus::Continue => true,
            DataStatus::StopAndBuffer => false,
            other => return other,
        };
        if goes_on {
            self.side(direction).before = first;
        }
        let status = self.data(direction, context, data, true);
        if goes_on && matches!(status, DataStatus::Reply(_)) {
            self.side(direction).before.clear();
        }
        status
    }

    /// Carries out what a plugin says of a chunk.
    fn after_data(
        &mut self,
        plugin: &OnThread,
        direction: usize,
        context: &mut FilterContext<'_>,
        data: &mut Buffer,
        after: After,
    ) -> DataStatus {
        let id = self.id;
        match after.next {
            Next::Reply(reply) => DataStatus::Reply(reply),
            Next::GoesOn => {
                let sight = see(&plugin.vm, id, |sight| {
                    set(&mut sight.bodies, direction, false);
                    set(&mut sight.adds_trailers, direction, false);
                });
                let side = self.side(direction);
                *data = match after.says {
                    // Let go within the call that would have dropped it.
                    DataSays::Drop => side.release(Buffer::new()),
                    _ => side.release(after.seen),
                };
                let has_trailers = !after.trailers.is_empty();
                match has_trailers && after.end_stream && !sight.is_logged {
                    true => DataStatus::AddTrailers(Box::new(after.trailers)),
                    false => DataStatus::Continue,
                }
            }
            Next::Waits => {
                let says = match after.is_again {
                    true => DataSays::Buffer,
                    false => after.says,
                };
                let is_full = self.side(direction).keep(after.seen, says, context);
                if is_full && says == DataSays::Buffer && !after.is_again {
                    return DataStatus::Reply(too_large(direction));
                }
                let is_full = is_full && says == DataSays::Watermark;
                if !after.end_stream && !after.is_again && !is_full {
                    return DataStatus::StopAndBuffer;
                }
                if !after.is_again {
                    begin_wait(&plugin.vm, id);
                    self.side(direction).waits = true;
                }
                DataStatus::Again(woken(&plugin.vm, id))
            }
        }
    }

    fn trailers(
        &mut self,
        direction: usize,
        context: &mut FilterContext<'_>,
        trailers: &mut HeaderMap,
    ) -> TrailersStatus {
        let Some(plugin) = self.active(direction) else {
            return TrailersStatus::Continue;
        };
        let id = self.id;
        let count = trailers.len();
        let mut held = take(&mut self.side(direction).held);
        let is_again = self.side(direction).waits;
        see(&plugin.vm, id, |sight| {
            *seen_trailers(sight, direction) = true;
            let shows_body = !held.is_empty();
            set(&mut sight.bodies, direction, shows_body);
        });
        let mut parts = Parts {
            body: Some((direction, &mut held)),
            ..Parts::default()
        };
        match direction {
            0 => parts.request_trailers = Some(trailers),
            _ => parts.response_trailers = Some(trailers),
        }
        let next = if is_again {
            self.go_on(&plugin, direction, context, parts)
        } else {
            let export = TRAILERS.get(direction).copied().unwrap_or(TRAILERS[0]);
            forget_resume(&plugin.vm, id, direction);
            let called = turn(&plugin.vm, id, context, &mut parts, |vm| {
                vm.call(id, export, &[length(count)])
            });
            match called {
                Called::Missing | Called::Returned(0, false) => self.passed(&plugin, direction),
                Called::Failed => self.after_failure(&plugin),
                Called::Returned(..) => self.wait(&plugin, direction),
            }
        };
        match next {
            Next::GoesOn => {
                see(&plugin.vm, id, |sight| {
                    *seen_trailers(sight, direction) = false;
                    set(&mut sight.bodies, direction, false);
                });
                match held.is_empty() {
                    true => TrailersStatus::Continue,
                    false => TrailersStatus::Append(held),
                }
            }
            Next::Waits => {
                self.side(direction).held = held;
                TrailersStatus::Again(woken(&plugin.vm, id))
            }
            Next::Reply(reply) => TrailersStatus::Reply(reply),
        }
    }
}

/// What is known behind a call with a chunk.
struct After {
    next: Next,
    seen: Buffer,
    says: DataSays,
    end_stream: bool,
    is_again: bool,
    trailers: HeaderMap,
}

/// Whether Envoy tells of the end of a body apart from its last bytes, as it does for HTTP/1.
fn ends_apart(direction: usize, context: &FilterContext<'_>) -> bool {
    let info = &*context.stream_info;
    let protocol = match direction {
        0 => info.protocol,
        _ => info.upstream.protocol,
    };
    matches!(protocol, Some(Protocol::Http10 | Protocol::Http11))
}

fn length(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn set(of: &mut [bool; 2], direction: usize, value: bool) {
    if let Some(place) = of.get_mut(direction) {
        *place = value;
    }
}

fn seen_head(sight: &mut Sight, direction: usize) -> &mut bool {
    match direction {
        0 => &mut sight.request,
        _ => &mut sight.response,
    }
}

fn seen_trailers(sight: &mut Sight, direction: usize) -> &mut bool {
    match direction {
        0 => &mut sight.request_trailers,
        _ => &mut sight.response_trailers,
    }
}

impl HttpFilter for WasmFilter {
    fn decode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        end_stream: bool,
    ) -> HeadersStatus {
        if self.refuses {
            return HeadersStatus::Reply(failed());
        }
        if let (0, Some(plugin)) = (self.id, &self.plugin) {
            self.id = plugin.vm.new_stream(&plugin.plugin, plugin.root);
        }
        self.headers(0, context, None, end_stream)
    }

    fn decode_data(
        &mut self,
        context: &mut FilterContext<'_>,
        data: &mut Buffer,
        end_stream: bool,
    ) -> DataStatus {
        self.chunk(0, context, data, end_stream)
    }

    fn decode_trailers(
        &mut self,
        context: &mut FilterContext<'_>,
        trailers: &mut HeaderMap,
    ) -> TrailersStatus {
        self.trailers(0, context, trailers)
    }

    fn encode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        response: &mut HeaderMap,
        end_stream: bool,
    ) -> HeadersStatus {
        self.headers(1, context, Some(response), end_stream)
    }

    fn encode_data(
        &mut self,
        context: &mut FilterContext<'_>,
        data: &mut Buffer,
        end_stream: bool,
    ) -> DataStatus {
        self.chunk(1, context, data, end_stream)
    }

    fn encode_trailers(
        &mut self,
        context: &mut FilterContext<'_>,
        trailers: &mut HeaderMap,
    ) -> TrailersStatus {
        self.trailers(1, context, trailers)
    }

    fn on_log(&mut self, context: &FormatContext<'_>) {
        let Some(plugin) = self.plugin.clone() else {
            return;
        };
        if self.id == 0 {
            self.id = plugin.vm.new_stream(&plugin.plugin, plugin.root);
        }
        plugin.vm.create_stream(self.id);
        logged::log(&plugin.vm, self.id, context);
    }

    fn on_destroy(&mut self) {
        if let Some(plugin) = self.plugin.take()
            && self.id != 0
        {
            plugin.vm.end_stream(take(&mut self.id));
        }
    }
}
