//! The end of a stream's life.

use nuncio_contract::clock::Clock;

use super::course::{Course, StreamDeadlines};
use crate::downstream::Downstream;
use crate::exchange::{Exchange, REQUEST, STREAM_DURATION, STREAM_IDLE};

/// The side towards the client of a stream among others.
pub(crate) trait Side: Downstream {
    /// Whether it has ended with its connection, not by itself.
    fn has_lost_connection(&self) -> bool;
    /// Has the connection's driver look at what has changed.
    fn wake_driver(&self);
}

/// What follows the life of a stream; whether it ended because the host of a tunnel was lost.
pub(crate) fn end_life<D: Side>(
    course: &Course,
    down: &D,
    exchange: Exchange<'_, D>,
    deadlines: &StreamDeadlines,
) -> bool {
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
    is_host_lost
}
