//! A connection manager's filters on one worker, and the ones of a single stream: which take part, and how far
//! each direction has come. The filter engine runs them.

use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::HeaderMap;
use nuncio_contract::http_filter::{HttpFilter, HttpFilterFactory, Interest};
use nuncio_contract::stream_info::StreamInfo;
use nuncio_contract::upstream_filters::UpstreamSlot;

use crate::route::PerFilterConfigs;

/// The direction of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Requests, on their way up.
    Decode,
    /// Responses, on their way down.
    Encode,
}

/// A place in the chain: its factory and what is known of it before any request.
pub struct FilterSlot {
    /// Its name in the config.
    pub name: Box<str>,
    /// Where the routes' configurations for it are found.
    place: usize,
    factory: Box<dyn HttpFilterFactory>,
    interest: Interest,
    /// Off unless a route switches it on.
    pub disabled: bool,
}

impl FilterSlot {
    /// A place in the chain.
    pub fn new(
        name: &str,
        place: usize,
        factory: Box<dyn HttpFilterFactory>,
        disabled: bool,
    ) -> Self {
        let interest = factory.interest();
        FilterSlot {
            name: name.into(),
            place,
            factory,
            interest,
            disabled,
        }
    }
}

/// Whether the filter at `place` of the chain runs: the most specific level that names it decides, or else the
/// chain, where it may be `disabled`.
pub fn takes_part(levels: &[Option<&PerFilterConfigs>; 4], place: usize, disabled: bool) -> bool {
    let most_specific = levels
        .iter()
        .rev()
        .flatten()
        .find_map(|level| level.get(place));
    most_specific.map_or(!disabled, |entry| !entry.disabled)
}

/// The same for the filter that is called `name` between the router and a host.
pub fn takes_part_by_name(
    levels: &[Option<&PerFilterConfigs>; 4],
    name: &str,
    disabled: bool,
) -> bool {
    let mut named = levels.iter().rev().flatten();
    let most_specific = named.find_map(|level| level.get_named(name));
    most_specific.map_or(!disabled, |entry| !entry.disabled)
}

/// The filters of one stream and how far each direction has come.
#[derive(Default)]
pub struct FilterChain {
    pub(crate) active: Vec<ActiveFilter>,
    pub(crate) decode: Progress,
    pub(crate) encode: Progress,
    created: bool,
    /// Whether the request was of gRPC before any filter changed it.
    pub(crate) began_as_grpc: bool,
    /// Whether that was noted: always, where there are filters.
    pub(crate) knows_grpc: bool,
    /// Whether a filter waited on the way up, and nothing of the request's body was read since.
    pub(crate) has_waited: bool,
}

pub(crate) struct ActiveFilter {
    pub(crate) slot: usize,
    pub(crate) interest: Interest,
    pub(crate) filter: Box<dyn HttpFilter>,
}

/// How far one direction has come.
#[derive(Default)]
pub(crate) struct Progress {
    /// The filter, in running order, that holds the headers.
    pub(crate) headers_held_at: Option<usize>,
    /// The filter, in running order, that holds body bytes.
    pub(crate) data_held_at: Option<usize>,
    pub(crate) held: Buffer,
    pub(crate) limit_bytes: u64,
    /// What is to come besides what the peer sends.
    pub(crate) late: Option<Box<LateBody>>,
}

/// What is to come of a body besides what the peer sends.
#[derive(Default)]
pub(crate) struct LateBody {
    /// The filters, in running order, that give back later what they took.
    pub(crate) keepers: Vec<usize>,
    /// How many bytes they have.
    pub(crate) kept_bytes: usize,
    /// A body that a filter adds, and that filter, in running order.
    pub(crate) added: Option<(usize, Buffer)>,
    /// Trailers that go on behind all of it, and the filter, in running order, that is the next to see them.
    pub(crate) trailers: Option<(usize, Box<HeaderMap>)>,
}

impl LateBody {
    pub(crate) fn is_over(&self) -> bool {
        self.keepers.is_empty() && self.trailers.is_none() && self.added.is_none()
    }
}

impl FilterChain {
    /// Makes the stream's filters. `is_on` tells whether a slot takes part.
    pub fn create(
        &mut self,
        slots: &[FilterSlot],
        info: &mut StreamInfo,
        limit_bytes: u64,
        is_on: impl Fn(usize, &FilterSlot) -> bool,
    ) {
        self.created = true;
        if slots.is_empty() {
            return;
        }
        self.decode.limit_bytes = limit_bytes;
        self.encode.limit_bytes = limit_bytes;
        for slot in slots {
            if is_on(slot.place, slot) {
                let mut filter = slot.factory.create();
                if slot.interest.begin {
                    filter.begin(info);
                }
                self.active.push(ActiveFilter {
                    slot: slot.place,
                    interest: slot.interest,
                    filter,
                });
            }
        }
    }

    /// Makes the filters of a try, between the router and a host.
    pub(crate) fn create_beneath(
        &mut self,
        slots: &[UpstreamSlot],
        info: &mut StreamInfo,
        limit_bytes: u64,
        is_on: impl Fn(&UpstreamSlot) -> bool,
    ) {
        self.decode.limit_bytes = limit_bytes;
        self.encode.limit_bytes = limit_bytes;
        let on = slots.iter().enumerate().filter(|(_, slot)| is_on(slot));
        for (at, slot) in on {
            let mut filter = slot.factory.create();
            if slot.interest.begin {
                filter.begin(info);
            }
            self.active.push(ActiveFilter {
                slot: at,
                interest: slot.interest,
                filter,
            });
        }
    }

    /// Whether [`Self::create`] has run for this stream.
    pub fn is_created(&self) -> bool {
        self.created
    }

    /// Whether no filter takes part in the stream.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.active.is_empty()
    }

    /// Whether any filter wants the body of `way`.
    pub fn wants_body(&self, way: Way) -> bool {
        self.active.iter().any(|active| match way {
            Way::Decode => active.interest.request_body,
            Way::Encode => active.interest.response_body,
        })
    }

    /// Whether a filter holds the headers of `way`.
    pub fn holds_headers(&self, way: Way) -> bool {
        self.progress(way).headers_held_at.is_some()
    }

    /// Whether any filter wants to see how the stream is logged.
    pub fn want_log(&self) -> bool {
        self.active.iter().any(|active| active.interest.log)
    }

    /// Ends the filters; nothing is called after this.
    pub fn destroy(&mut self) {
        self.created = false;
        self.has_waited = false;
        self.knows_grpc = false;
        if self.active.is_empty() {
            // Nobody has made any progress.
            return;
        }
        for active in &mut self.active {
            active.filter.on_destroy();
        }
        self.active.clear();
        self.decode = Progress::default();
        self.encode = Progress::default();
    }

    /// Whether more is to come of the body of `way` besides what the peer sends.
    #[inline]
    pub fn has_late_body(&self, way: Way) -> bool {
        self.progress(way).late.is_some()
    }

    pub(crate) fn progress(&self, way: Way) -> &Progress {
        match way {
            Way::Decode => &self.decode,
            Way::Encode => &self.encode,
        }
    }

    pub(crate) fn progress_mut(&mut self, way: Way) -> &mut Progress {
        match way {
            Way::Decode => &mut self.decode,
            Way::Encode => &mut self.encode,
        }
    }

    /// The index of the filter that runs as `step` of `way`.
    pub(crate) fn index(&self, way: Way, step: usize) -> usize {
        match way {
            Way::Decode => step,
            Way::Encode => self.active.len().saturating_sub(step + 1),
        }
    }
}
