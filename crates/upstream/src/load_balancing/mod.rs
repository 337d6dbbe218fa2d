//! Choosing a host: per worker, no locks, no allocation.

mod earliest_deadline;
mod round_robin;

pub(crate) use round_robin::RoundRobin;
