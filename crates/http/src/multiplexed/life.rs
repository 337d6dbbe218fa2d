//! A stream's life, from its head to the log.

use std::pin::pin;

use nuncio_contract::clock::Clock;

use super::course::{Course, StreamDeadlines};
use crate::downstream::Downstream;
use crate::exchange::{Exchange, REQUEST, STREAM_DURATION, STREAM_IDLE};
use crate::life::{Start, StreamEnd};
use crate::stream::StreamState;

/// The side towards the client of a stream among others.
pub(crate) trait Side: Downstream {
    /// Whether it has ended with its connection, not by itself.
    fn has_lost_connection(&self) -> bool;
    /// Has the connection's driver look at what has changed.
    fn wake_driver(&self);
}

/// Lives a stream's life; how it ended, and whether that was because the host of a tunnel was lost.
pub(crate) async fn live(
    course: &Course,
    down: &impl Side,
    state: Box<StreamState>,
    start: Start,
    deadlines: &StreamDeadlines,
) -> (StreamEnd, bool) {
    let exchange = Exchange::new(&course.manager, down, state, deadlines);
    let end = pin!(exchange.run(start)).await;
    let is_host_lost = exchange.has_lost_host_of_tunnel();
    let state = exchange.into_state();
    let worker = &course.manager.worker;
    if !down.has_lost_connection() {
        let lifetime = worker.now() - state.info.start;
        if course.count_ended(lifetime, state.info.response_code.is_some()) {
            down.wake_driver();
        }
    }
    worker.end_stream(state);
    for slot in [STREAM_IDLE, REQUEST, STREAM_DURATION] {
        deadlines.clear(slot);
    }
    (end, is_host_lost)
}
