//! What becomes of a request: it is served what is kept or coming, or its host is asked, for it alone or for all.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::time::SystemTime;

use nuncio_contract::calls::{CallEvent, CallOptions, Calls, HttpCall};
use nuncio_contract::headers::{HeaderMap, Known};

use super::fetch::{Direct, Fetch, Handover, may_be_kept};
use super::flight::Flight;
use super::insertion::Insertion;
use super::serving::Serving;
use super::sessions::{Landing, Session, State};
use super::stats::Status;
use crate::caching::control::RequestControl;
use crate::caching::storage::Storage;
use crate::caching::store::{Entry, Head};
use crate::caching::{freshness, validation};

/// A request.
pub(super) struct Ask {
    pub(super) store: Arc<Storage>,
    pub(super) session: Arc<Session>,
    pub(super) key: Box<[u8]>,
    pub(super) request: HeaderMap,
    pub(super) cluster: Box<str>,
    pub(super) calls: Calls,
    pub(super) control: RequestControl,
    pub(super) now: SystemTime,
    pub(super) max_body_bytes: usize,
    pub(super) is_head: bool,
}

/// Why there is nothing to serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nothing {
    NoCluster,
    UpstreamReset,
}

impl Ask {
    /// What is served.
    pub(super) async fn resolve(self) -> Result<Serving, Nothing> {
        loop {
            let (state, version) = self.session.look();
            let found = match state {
                State::Uncacheable => return self.past(true).await,
                State::Asked(flight) => match flight.landing().await {
                    Landing::Abandoned => continue,
                    landing => return self.landed(landing, false, None).await,
                },
                State::Coming(insertion) if insertion.is_whole() => {
                    insertion.kept.landing().await;
                    continue;
                }
                State::Coming(insertion) => return self.join(&insertion).await,
                State::Idle => self.store.find(&self.key).await,
            };
            let kept = match found {
                Some(entry) if self.may_serve(&entry.head, entry.came) => {
                    return Ok(self.serve(Status::Hit, &entry));
                }
                found => found,
            };
            if self.is_head {
                return self.past(false).await;
            }
            if let Some(flight) = self.session.lead(version) {
                return self.lead(flight, kept).await;
            }
        }
    }

    /// Asks for all.
    async fn lead(
        self,
        flight: Arc<Flight<Landing>>,
        kept: Option<Arc<Entry>>,
    ) -> Result<Serving, Nothing> {
        let handover: Handover = Rc::new(RefCell::new(None));
        let mut request = self.request.clone();
        let is_ranged = request.contains(Known::Range);
        request.remove(Known::Range);
        if let Some(kept) = &kept {
            let mut head = HeaderMap::response();
            kept.head.append_to(&mut head);
            validation::ask(&mut request, &head);
        }
        let Some(call) = self.call(request) else {
            self.session.set(State::Idle);
            flight.land(Landing::Failed);
            return Err(Nothing::NoCluster);
        };
        let fetch = Fetch {
            store: Arc::clone(&self.store),
            session: Arc::clone(&self.session),
            key: self.key.clone(),
            kept,
            may_keep: !self.control.no_store,
            is_ranged,
            asked: self.now,
            max_body_bytes: self.max_body_bytes,
            handover: Rc::clone(&handover),
        };
        let landing = flight.landing();
        fetch.begin(call, &self.calls, flight);
        let landing = landing.await;
        let direct = handover.borrow_mut().take();
        self.landed(landing, true, direct).await
    }

    async fn landed(
        self,
        landing: Landing,
        is_leader: bool,
        direct: Option<Direct>,
    ) -> Result<Serving, Nothing> {
        match landing {
            Landing::Inserted(beginning) => {
                let status = match is_leader {
                    true => Status::Miss,
                    false => Status::Follower,
                };
                let serving = self.follow(status, beginning.insertion());
                serving.ok_or(Nothing::UpstreamReset)
            }
            Landing::Unchanged(entry) => {
                let status = match is_leader {
                    true => Status::Validated,
                    false => Status::ValidatedFree,
                };
                Ok(self.serve(status, &entry))
            }
            Landing::Uncacheable => match direct {
                Some(direct) => Ok(Serving::direct(direct)),
                None => self.past(false).await,
            },
            Landing::Failed | Landing::Abandoned => Err(Nothing::UpstreamReset),
        }
    }

    /// Reads what is coming; its host is asked where the beginning of that is forgotten, or it is not good enough.
    async fn join(self, insertion: &Arc<Insertion>) -> Result<Serving, Nothing> {
        let status = match self.may_serve(&insertion.head, insertion.came) {
            true => Status::Hit,
            false if self.is_head => return self.past(false).await,
            false => Status::ValidatedFree,
        };
        match self.follow(status, insertion) {
            Some(serving) => Ok(serving),
            None => self.past(false).await,
        }
    }

    /// Asks the host for this request alone.
    async fn past(self, may_change: bool) -> Result<Serving, Nothing> {
        let mut call = self.call(self.request.clone()).ok_or(Nothing::NoCluster)?;
        let event = poll_fn(|cx| call.poll_next(cx)).await;
        let CallEvent::Head {
            headers,
            end_stream,
        } = event
        else {
            return Err(Nothing::UpstreamReset);
        };
        if may_change && may_be_kept(&headers, self.max_body_bytes) {
            self.session.may_be_kept();
        }
        Ok(Serving::direct(Direct {
            head: headers,
            end_stream,
            call,
        }))
    }

    fn call(&self, request: HeaderMap) -> Option<Box<dyn HttpCall>> {
        let options = CallOptions::default();
        let mut call = self.calls.start(&self.cluster, request, options)?;
        call.send(b"", true);
        Some(call)
    }

    fn may_serve(&self, head: &Head, came: SystemTime) -> bool {
        let mut response = HeaderMap::response();
        head.append_to(&mut response);
        let age = freshness::age(&response, came, self.now);
        !freshness::needs_validation(&response, age, &self.control)
    }

    fn serve(&self, status: Status, entry: &Arc<Entry>) -> Serving {
        let head = self.head(status, &entry.head, entry.came);
        let (range, is_head) = (self.range(), self.is_head);
        Serving::kept(status, head, (&self.store, entry), range, is_head)
    }

    fn follow(&self, status: Status, insertion: &Arc<Insertion>) -> Option<Serving> {
        let head = self.head(status, &insertion.head, insertion.came);
        Serving::coming(status, head, insertion, self.range(), self.is_head)
    }

    fn head(&self, status: Status, head: &Head, came: SystemTime) -> HeaderMap {
        let mut response = HeaderMap::response();
        head.append_to(&mut response);
        let age = freshness::age(&response, came, self.now);
        response.remove(Known::Age);
        if status.tells_age() {
            response.set_integer(Known::Age, u64::try_from(age).unwrap_or(0));
        }
        response
    }

    /// The one range that is asked for.
    fn range(&self) -> Option<&[u8]> {
        let mut ranges = self.request.get_all(Known::Range);
        let range = ranges.next()?;
        ranges.next().is_none().then_some(range)
    }
}
