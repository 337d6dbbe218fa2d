//! The filter engine: runs a stream's filters over headers, data and trailers, both ways.
//!
//! One implementation serves both directions; [`Way`] says which. Filters run in the order of the config on
//! the way up and in the reverse order on the way down. Each call into a filter is synchronous; between calls
//! the run may wait for a filter's future, and nothing is borrowed meanwhile. Where a filter stops, its headers
//! and body stay in the chain, body bytes in one buffer a direction, bounded by the connection's buffer limit
//! (1 MiB by default): above it a request is answered with 413 and a response with 500, as Envoy does. What filters
//! take and give back later, and trailers that they add, is in `late.rs`.

mod late;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::HeaderMap;
use nuncio_contract::http_filter::{
    DataStatus, FilterContext, HeadersStatus, PerRoute, Resume, TrailersStatus,
};
use nuncio_contract::local_reply::{Basis, LocalReply};
use nuncio_contract::registry::RouteFilterConfig;
use nuncio_contract::stream_info::ResponseFlags;
use nuncio_contract::upstream_filters::UpstreamSlot;

pub use late::{HeadIs, LateStep, Released};

use crate::filter_chain::{ActiveFilter, FilterChain, Way};
use crate::stream::{RouteSnapshot, StreamState};
use crate::worker::Worker;

/// What a run came to.
#[derive(Debug)]
pub enum Flow<T> {
    /// Past the last filter.
    Through(T),
    /// A filter holds it.
    Held,
}

/// One direction of one stream's filters.
pub struct Run<'a> {
    /// The stream.
    pub state: &'a RefCell<Box<StreamState>>,
    /// The worker.
    pub worker: &'a Worker,
    /// The connection manager's routes of now, where filters may have the route looked up in them.
    pub routes: Option<&'a RefCell<Rc<RouteSnapshot>>>,
    /// The direction.
    pub way: Way,
    /// Where the filters stand between the router and a host: the stream that they are part of.
    pub beneath: Option<Beneath<'a>>,
}

/// What the filters between the router and a host share with those before the router.
pub struct Beneath<'a> {
    /// The stream, whose info and route they see.
    pub stream: &'a RefCell<Box<StreamState>>,
    /// Their places.
    pub slots: &'a [UpstreamSlot],
}

impl Run<'_> {
    /// Runs the headers through the filters from `step` on.
    pub async fn headers(
        &self,
        mut step: usize,
        mut end_stream: bool,
    ) -> Result<Flow<()>, Box<LocalReply>> {
        let mut has_waited = false;
        while let Some(status) = self.call_headers(step, end_stream) {
            match status {
                HeadersStatus::Continue => {}
                HeadersStatus::Stop => {
                    self.state
                        .borrow_mut()
                        .filters
                        .progress_mut(self.way)
                        .headers_held_at = Some(step);
                    return Ok(Flow::Held);
                }
                HeadersStatus::Later => {
                    self.hold_head(step);
                    return Ok(Flow::Held);
                }
                HeadersStatus::Wait(wait) => {
                    let resume = wait.await;
                    has_waited = true;
                    if matches!(resume, Resume::Reroute) {
                        self.reroute();
                        continue;
                    }
                    self.resumed(step, resume).map_err(awaited)?;
                }
                HeadersStatus::Again(wait) => {
                    wait.await;
                    has_waited = true;
                    continue;
                }
                HeadersStatus::Reply(reply) if has_waited => return Err(awaited(reply)),
                HeadersStatus::Reply(reply) => return Err(reply),
                HeadersStatus::AddBody(added) => {
                    self.await_added(step, *added);
                    end_stream = false;
                }
            }
            step += 1;
        }
        if has_waited && matches!(self.way, Way::Decode) {
            self.state.borrow_mut().filters.has_waited = true;
        }
        Ok(Flow::Through(()))
    }

    /// Runs a chunk of the body through the filters from `step` on. What comes out is the chunk with all that
    /// was held back before it.
    pub async fn data(
        &self,
        mut step: usize,
        mut chunk: Buffer,
        mut end_stream: bool,
    ) -> Result<Flow<Buffer>, Box<LocalReply>> {
        loop {
            let chunk_bytes = chunk.len();
            let Some(status) = self.call_data(step, &mut chunk, end_stream) else {
                break;
            };
            match status {
                DataStatus::Continue => {}
                DataStatus::AddTrailers(trailers) => {
                    self.await_trailers(step + 1, trailers);
                    end_stream = false;
                }
                DataStatus::Later => {
                    self.keep(step, chunk_bytes);
                    return Ok(Flow::Held);
                }
                DataStatus::StopAndBuffer => {
                    self.hold(step, chunk)?;
                    return Ok(Flow::Held);
                }
                DataStatus::Wait(wait) => self.resumed(step, wait.await)?,
                DataStatus::Again(wait) => {
                    wait.await;
                    continue;
                }
                DataStatus::Reply(reply) => return Err(reply),
            }
            chunk = self.let_go(step, chunk);
            if self.take_held_headers(step) {
                Box::pin(self.headers(step + 1, false)).await?;
            }
            step += 1;
        }
        if self.state.borrow().filters.holds_headers(self.way) {
            self.hold(step, chunk)?;
            return Ok(Flow::Held);
        }
        Ok(Flow::Through(chunk))
    }

    /// Runs the trailers through the filters from `step` on; what comes out is the body that was held back.
    pub async fn trailers(
        &self,
        mut step: usize,
        trailers: &mut HeaderMap,
    ) -> Result<Flow<Buffer>, Box<LocalReply>> {
        let mut released = Buffer::default();
        while let Some(status) = self.call_trailers(step, trailers) {
            let appended = match status {
                TrailersStatus::Continue => Buffer::default(),
                TrailersStatus::Append(appended) => appended,
                TrailersStatus::Wait(wait) => {
                    self.resumed(step, wait.await)?;
                    Buffer::default()
                }
                TrailersStatus::Again(wait) => {
                    wait.await;
                    continue;
                }
                TrailersStatus::Later => {
                    let kind = trailers.kind();
                    let trailers = std::mem::replace(trailers, HeaderMap::new(kind));
                    self.await_trailers(step, Box::new(trailers));
                    self.keep(step, 0);
                    if self.state.borrow().filters.holds_headers(self.way) {
                        return Ok(Flow::Held);
                    }
                    return Ok(Flow::Through(released));
                }
                TrailersStatus::Reply(reply) => return Err(reply),
            };
            let held = self.let_go(step, appended);
            if self.take_held_headers(step) {
                Box::pin(self.headers(step + 1, false)).await?;
            }
            if !held.is_empty() {
                match Box::pin(self.data(step + 1, held, false)).await? {
                    Flow::Through(data) => released.append(data),
                    Flow::Held => {}
                }
            }
            step += 1;
        }
        Ok(Flow::Through(released))
    }

    fn call_headers(&self, step: usize, end_stream: bool) -> Option<HeadersStatus> {
        self.with_filter(step, |filter, context, response, way| match way {
            Way::Decode if filter.interest.request_headers => {
                filter.filter.decode_headers(context, end_stream)
            }
            Way::Encode if filter.interest.response_headers => {
                filter.filter.encode_headers(context, response, end_stream)
            }
            _ => HeadersStatus::Continue,
        })
    }

    fn call_data(&self, step: usize, chunk: &mut Buffer, end_stream: bool) -> Option<DataStatus> {
        self.with_filter(step, |filter, context, response, way| match way {
            Way::Decode if filter.interest.request_body => {
                filter.filter.decode_data(context, chunk, end_stream)
            }
            Way::Encode if filter.interest.response_body => {
                context.response = Some(response);
                filter.filter.encode_data(context, chunk, end_stream)
            }
            _ => DataStatus::Continue,
        })
    }

    fn call_trailers(&self, step: usize, trailers: &mut HeaderMap) -> Option<TrailersStatus> {
        self.with_filter(step, |filter, context, response, way| match way {
            Way::Decode if filter.interest.request_body => {
                filter.filter.decode_trailers(context, trailers)
            }
            Way::Encode if filter.interest.response_body => {
                context.response = Some(response);
                filter.filter.encode_trailers(context, trailers)
            }
            _ => TrailersStatus::Continue,
        })
    }

    /// Calls into the filter that runs at `step`; none past the last one.
    fn with_filter<T>(
        &self,
        step: usize,
        call: impl for<'c> FnOnce(
            &mut ActiveFilter,
            &mut FilterContext<'c>,
            &'c mut HeaderMap,
            Way,
        ) -> T,
    ) -> Option<T> {
        if let Some(beneath) = &self.beneath {
            return self.with_filter_beneath(beneath, step, call);
        }
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        if step >= state.filters.active.len() {
            return None;
        }
        let index = state.filters.index(self.way, step);
        let FilterChain {
            active,
            decode,
            encode,
            ..
        } = &mut state.filters;
        let progress = match self.way {
            Way::Decode => decode,
            Way::Encode => encode,
        };
        let active = active.get_mut(index)?;
        let levels = state.route.filter_levels();
        let slot = active.slot;
        let configs: [Option<&RouteFilterConfig>; 4] = levels.map(|level| {
            level
                .and_then(|level| level.get(slot))
                .and_then(|entry| entry.config.as_ref())
        });
        let route_is_stale = Cell::new(false);
        let mut context = FilterContext {
            request_headers: &mut state.request,
            stream_info: &mut state.info,
            route: PerRoute::new(&configs, &state.route),
            held_body: progress.held.readable(),
            buffer_limit_bytes: &mut progress.limit_bytes,
            route_is_stale: &route_is_stale,
            response: None,
            services: self.worker,
        };
        let result = call(active, &mut context, &mut state.response, self.way);
        if route_is_stale.get() {
            self.worker.find_route(state);
        }
        Some(result)
    }

    /// The same between the router and a host.
    fn with_filter_beneath<T>(
        &self,
        beneath: &Beneath<'_>,
        step: usize,
        call: impl for<'c> FnOnce(
            &mut ActiveFilter,
            &mut FilterContext<'c>,
            &'c mut HeaderMap,
            Way,
        ) -> T,
    ) -> Option<T> {
        let mut own = self.state.borrow_mut();
        let own = &mut **own;
        let mut stream = beneath.stream.borrow_mut();
        let stream = &mut **stream;
        if step >= own.filters.active.len() {
            return None;
        }
        let index = own.filters.index(self.way, step);
        let progress = match self.way {
            Way::Decode => &mut own.filters.decode,
            Way::Encode => &mut own.filters.encode,
        };
        let active = own.filters.active.get_mut(index)?;
        let name = &*beneath.slots.get(active.slot)?.name;
        let levels = stream.route.filter_levels();
        let configs: [Option<&RouteFilterConfig>; 4] = levels.map(|level| {
            level
                .and_then(|level| level.get_named(name))
                .and_then(|entry| entry.config.as_ref())
        });
        // The metadata are this try's own, and the route is decided.
        stream.info.swap_dynamic_metadata(&mut own.info);
        let route_is_stale = Cell::new(false);
        let mut context = FilterContext {
            request_headers: &mut stream.request,
            stream_info: &mut stream.info,
            route: PerRoute::new(&configs, &stream.route),
            held_body: progress.held.readable(),
            buffer_limit_bytes: &mut progress.limit_bytes,
            route_is_stale: &route_is_stale,
            response: None,
            services: self.worker,
        };
        let result = call(active, &mut context, &mut own.response, self.way);
        stream.info.swap_dynamic_metadata(&mut own.info);
        Some(result)
    }

    fn hold(&self, step: usize, chunk: Buffer) -> Result<(), Box<LocalReply>> {
        let mut state = self.state.borrow_mut();
        let progress = state.filters.progress_mut(self.way);
        progress.data_held_at = Some(step);
        progress.held.append(chunk);
        let held_bytes = u64::try_from(progress.held.len()).unwrap_or(u64::MAX);
        if held_bytes <= progress.limit_bytes {
            return Ok(());
        }
        Err(Box::new(match self.way {
            Way::Decode => LocalReply::too_much(),
            Way::Encode => LocalReply::new(
                500,
                b"Internal Server Error".as_slice(),
                "response_payload_too_large",
            )
            .with_flags(ResponseFlags::NONE),
        }))
    }

    /// What the filter at `step` held back, with `chunk` behind it.
    fn let_go(&self, step: usize, chunk: Buffer) -> Buffer {
        let mut state = self.state.borrow_mut();
        let progress = state.filters.progress_mut(self.way);
        if progress.data_held_at != Some(step) {
            return chunk;
        }
        progress.data_held_at = None;
        let mut held = std::mem::take(&mut progress.held);
        held.append(chunk);
        held
    }

    fn take_held_headers(&self, step: usize) -> bool {
        let mut state = self.state.borrow_mut();
        let progress = state.filters.progress_mut(self.way);
        if progress.headers_held_at != Some(step) {
            return false;
        }
        progress.headers_held_at = None;
        drop(state);
        self.with_filter(step, |filter, _, response, way| {
            if way == Way::Encode {
                filter.filter.release_response(response);
            }
        });
        true
    }

    /// Looks the route up in the table of now.
    fn reroute(&self) {
        let mut state = self.state.borrow_mut();
        if let Some(routes) = self.routes {
            state.route.table = Rc::clone(&routes.borrow());
        }
        self.worker.find_route(&mut state);
    }

    fn resumed(&self, step: usize, resume: Resume) -> Result<(), Box<LocalReply>> {
        match resume {
            Resume::Continue | Resume::Reroute => Ok(()),
            Resume::Reply(reply) => Err(reply),
            Resume::Then(applied) => {
                let reply = self.with_filter(step, |_, context, _, _| (applied.0)(context));
                reply.flatten().map_or(Ok(()), Err)
            }
        }
    }
}

/// An answer that had to be waited for.
fn awaited(mut reply: Box<LocalReply>) -> Box<LocalReply> {
    if reply.basis == Basis::All {
        reply.basis = Basis::Awaited;
    }
    reply
}
