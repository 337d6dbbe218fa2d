//! A question whose answer several wait for. Who asks it learns when nobody waits any more.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// The question.
pub(super) struct Flight<T>(Mutex<State<T>>);

struct State<T> {
    landing: Option<T>,
    /// Those who wait, by number; without a waker until they are asked.
    waiting: BTreeMap<u64, Option<Waker>>,
    waiting_before: u64,
    /// Who asks, and is told when nobody waits.
    pilot: Option<Waker>,
}

/// Somebody who waits for the answer.
pub(super) struct Passenger<T> {
    flight: Arc<Flight<T>>,
    number: u64,
}

impl<T> Default for Flight<T> {
    fn default() -> Self {
        Flight(Mutex::new(State {
            landing: None,
            waiting: BTreeMap::new(),
            waiting_before: 0,
            pilot: None,
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
        waiting.into_values().flatten().for_each(Waker::wake);
    }

    /// Waits for it.
    pub(super) fn landing(self: &Arc<Self>) -> Passenger<T> {
        let mut state = self.state();
        let number = state.waiting_before;
        state.waiting_before += 1;
        state.waiting.insert(number, None);
        Passenger {
            flight: Arc::clone(self),
            number,
        }
    }

    /// Whether somebody waits; if so, `cx` is woken when nobody does any more.
    pub(super) fn is_awaited(&self, cx: &Context<'_>) -> bool {
        let mut state = self.state();
        if state.waiting.is_empty() {
            return false;
        }
        state.pilot = Some(cx.waker().clone());
        true
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Clone> Future for Passenger<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let mut state = self.flight.state();
        if let Some(landing) = &state.landing {
            return Poll::Ready(landing.clone());
        }
        let waker = cx.waker().clone();
        state.waiting.insert(self.number, Some(waker));
        Poll::Pending
    }
}

impl<T> Drop for Passenger<T> {
    fn drop(&mut self) {
        let mut state = self.flight.state();
        let waker = state.waiting.remove(&self.number);
        let pilot = match state.waiting.is_empty() {
            true => state.pilot.take(),
            false => None,
        };
        drop(state);
        drop(waker);
        if let Some(pilot) = pilot {
            pilot.wake();
        }
    }
}
