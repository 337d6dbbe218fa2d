//! A question to a host whose answer several wait for.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::insertion::Insertion;
use crate::caching::store::Entry;

/// What came of it.
#[derive(Clone)]
pub(super) enum Landing {
    /// The answer is kept as it comes.
    Inserted(Arc<Insertion>),
    /// What was kept has not changed, and is this now.
    Unchanged(Arc<Entry>),
    /// The answer is for the one who asked.
    Uncacheable,
    /// There is none.
    Failed,
}

/// The question.
#[derive(Default)]
pub(super) struct Flight(Mutex<State>);

#[derive(Default)]
struct State {
    landing: Option<Landing>,
    /// Of those who wait, each at its own place.
    waiting: Vec<Option<Waker>>,
}

/// Somebody who waits for the answer.
pub(super) struct Passenger {
    flight: Arc<Flight>,
    place: Option<usize>,
}

impl Flight {
    /// The answer is there; only the first counts.
    pub(super) fn land(&self, landing: Landing) {
        let waiting = {
            let mut state = self.state();
            if state.landing.is_some() {
                return;
            }
            state.landing = Some(landing);
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().flatten().for_each(Waker::wake);
    }

    /// Waits for it.
    pub(super) fn landing(self: &Arc<Self>) -> Passenger {
        Passenger {
            flight: Arc::clone(self),
            place: None,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Future for Passenger {
    type Output = Landing;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Landing> {
        let flight = Arc::clone(&self.flight);
        let mut state = flight.state();
        if let Some(landing) = &state.landing {
            return Poll::Ready(landing.clone());
        }
        let waker = Some(cx.waker().clone());
        let place = self.place.and_then(|place| state.waiting.get_mut(place));
        match place {
            Some(place) => *place = waker,
            None => {
                self.place = Some(state.waiting.len());
                state.waiting.push(waker);
            }
        }
        Poll::Pending
    }
}
