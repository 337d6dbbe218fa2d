//! A question whose answer several wait for.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// The question.
pub(super) struct Flight<T>(Mutex<State<T>>);

struct State<T> {
    landing: Option<T>,
    /// Of those who wait, each at its own place.
    waiting: Vec<Option<Waker>>,
}

/// Somebody who waits for the answer.
pub(super) struct Passenger<T> {
    flight: Arc<Flight<T>>,
    place: Option<usize>,
}

impl<T> Default for Flight<T> {
    fn default() -> Self {
        Flight(Mutex::new(State {
            landing: None,
            waiting: Vec::new(),
        }))
    }
}

impl<T> Flight<T> {
    /// The answer is there; only the first counts.
    pub(super) fn land(&self, landing: T) {
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
    pub(super) fn landing(self: &Arc<Self>) -> Passenger<T> {
        Passenger {
            flight: Arc::clone(self),
            place: None,
        }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Clone> Future for Passenger<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
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
