//! What the overload manager has decided, for whoever sheds load: accepting, connection managers, pools.
//!
//! The main thread looks at the resources and stores how far each action has gone; workers read relaxed atomics where
//! they shed, and nothing at all without an overload manager. How often a load shed point has shed is counted by each
//! worker in cells of its own.
//!
//! Follows `envoy.config.overload.v3`. A degree is a number from 0 (nothing is done) to 1 (saturated); between them
//! load is shed for that share of what comes.

mod degree;
mod on_worker;
mod timers;

pub use degree::Degree;
pub use on_worker::{OverloadOnWorker, OverloadWatcher};
pub use timers::{Least, ScaledTimer, TimerMinimums};

/// An action that the engine takes while a resource is short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Requests are answered with 503.
    StopAcceptingRequests,
    /// Responses say that the connection closes.
    DisableKeepalive,
    /// Connections stay in the kernel's queue.
    StopAcceptingConnections,
    /// Connections are closed as soon as they were accepted.
    RejectConnections,
    /// What is kept for later is given back.
    ShrinkHeap,
    /// Timeouts are shorter.
    ReduceTimeouts,
    /// Streams that hold much are reset.
    ResetStreams,
    /// Idle QUIC connections are closed.
    CloseIdleConnections,
}

impl Action {
    /// All of them, by Envoy's names.
    pub const ALL: [(Action, &'static str); 8] = [
        (
            Action::StopAcceptingRequests,
            "envoy.overload_actions.stop_accepting_requests",
        ),
        (
            Action::DisableKeepalive,
            "envoy.overload_actions.disable_http_keepalive",
        ),
        (
            Action::StopAcceptingConnections,
            "envoy.overload_actions.stop_accepting_connections",
        ),
        (
            Action::RejectConnections,
            "envoy.overload_actions.reject_incoming_connections",
        ),
        (Action::ShrinkHeap, "envoy.overload_actions.shrink_heap"),
        (
            Action::ReduceTimeouts,
            "envoy.overload_actions.reduce_timeouts",
        ),
        (
            Action::ResetStreams,
            "envoy.overload_actions.reset_high_memory_stream",
        ),
        (
            Action::CloseIdleConnections,
            "envoy.overload_actions.close_idle_http_connections",
        ),
    ];

    /// The action of this name.
    pub fn named(name: &str) -> Option<Action> {
        let mut all = Self::ALL.iter();
        all.find(|(_, own)| *own == name).map(|(action, _)| *action)
    }
}

/// A place on the way of a connection or a request where load may be shed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShedPoint {
    /// A connection was accepted.
    Accept,
    /// The first bytes of a connection are there.
    CreateCodec,
    /// Bytes of HTTP/1 were read.
    Http1Dispatch,
    /// Bytes were read, and the connection is to take no more requests.
    GoAway,
    /// The same, and it closes at once.
    GoAwayAndClose,
    /// Packets of HTTP/3 have come, and the client is to open no more streams.
    Http3GoAway,
    /// The same, and the connection closes at once.
    Http3GoAwayAndClose,
    /// The head of a request is complete.
    DecodeHeaders,
    /// A request is about to be sent to a host.
    BeforeUpstream,
    /// A pool is about to open a connection.
    NewUpstreamConnection,
}

impl ShedPoint {
    /// All of them, by Envoy's names.
    pub const ALL: [(ShedPoint, &'static str); 10] = [
        (
            ShedPoint::Accept,
            "envoy.load_shed_points.tcp_listener_accept",
        ),
        (
            ShedPoint::CreateCodec,
            "envoy.load_shed_points.hcm_ondata_creating_codec",
        ),
        (
            ShedPoint::Http1Dispatch,
            "envoy.load_shed_points.http1_server_abort_dispatch",
        ),
        (
            ShedPoint::GoAway,
            "envoy.load_shed_points.http2_server_go_away_on_dispatch",
        ),
        (
            ShedPoint::GoAwayAndClose,
            "envoy.load_shed_points.http2_server_go_away_and_close_on_dispatch",
        ),
        (
            ShedPoint::Http3GoAway,
            "envoy.load_shed_points.http3_server_go_away_on_dispatch",
        ),
        (
            ShedPoint::Http3GoAwayAndClose,
            "envoy.load_shed_points.http3_server_go_away_and_close_on_dispatch",
        ),
        (
            ShedPoint::DecodeHeaders,
            "envoy.load_shed_points.http_connection_manager_decode_headers",
        ),
        (
            ShedPoint::BeforeUpstream,
            "envoy.load_shed_points.http_downstream_filter_check",
        ),
        (
            ShedPoint::NewUpstreamConnection,
            "envoy.load_shed_points.connection_pool_new_connection",
        ),
    ];

    /// The point of this name.
    pub fn named(name: &str) -> Option<ShedPoint> {
        let mut all = Self::ALL.iter();
        all.find(|(_, own)| *own == name).map(|(point, _)| *point)
    }
}

/// The state of the overload manager, shared by all threads.
#[derive(Debug, Default)]
pub struct Overload {
    actions: [Degree; Action::ALL.len()],
    points: [Degree; ShedPoint::ALL.len()],
    configured_points: [bool; ShedPoint::ALL.len()],
    /// The shortest that timers become.
    pub timers: TimerMinimums,
    /// `minimum_account_to_track_power_of_two`: a stream that holds so many bytes, or, as in Envoy, half of them, may be reset;
    /// 0 resets none.
    pub tracked_stream_bits: Option<u32>,
    /// Whether idle connections of QUIC may be closed.
    pub closes_idle: bool,
    /// How many connections there may be, if a monitor limits them.
    pub max_connections: Option<u64>,
}

impl Overload {
    /// A state in which nothing is done, with these load shed points.
    pub fn new(points: &[ShedPoint]) -> Self {
        let mut overload = Overload::default();
        for point in points {
            overload.configured_points[*point as usize] = true;
        }
        overload
    }

    /// How far an action has gone.
    pub fn action(&self, action: Action) -> &Degree {
        &self.actions[action as usize]
    }

    /// How much a stream has to hold to be reset now; none if streams are not. The more there is of the action, the smaller
    /// ones are: those of the largest of eight classes first, each twice the one before.
    pub fn least_reset_bytes(&self) -> Option<u64> {
        /// Classes of streams by what they hold.
        const CLASSES: u32 = 8;
        let bits = self.tracked_stream_bits?.checked_sub(1)?;
        let share = self.action(Action::ResetStreams).get();
        if share <= 0.0 {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "eight is exact")]
        let spared = (1..CLASSES).filter(|class| (CLASSES as f32) * share < *class as f32);
        let spared = u32::try_from(spared.count()).unwrap_or(0);
        1_u64.checked_shl(bits + spared)
    }

    /// How much a load shed point sheds.
    pub fn point(&self, point: ShedPoint) -> &Degree {
        &self.points[point as usize]
    }

    /// Whether a load shed point is configured.
    pub fn has_point(&self, point: ShedPoint) -> bool {
        self.configured_points[point as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::{Action, Overload};

    #[test]
    fn the_more_there_is_of_it_the_smaller_streams_are_reset() {
        let least = |share: f64| {
            let overload = Overload {
                tracked_stream_bits: Some(21),
                ..Overload::default()
            };
            overload.action(Action::ResetStreams).set(share);
            overload.least_reset_bytes()
        };
        assert_eq!(least(0.0), None);
        assert_eq!(least(0.01), Some(128 << 20));
        assert_eq!(least(0.12), Some(128 << 20));
        assert_eq!(least(0.125), Some(64 << 20));
        assert_eq!(least(0.5), Some(8 << 20));
        assert_eq!(least(0.874), Some(2 << 20));
        assert_eq!(least(0.875), Some(1 << 20));
        assert_eq!(least(1.0), Some(1 << 20));
    }

    #[test]
    fn without_a_size_none_are() {
        for bits in [None, Some(0), Some(65)] {
            let overload = Overload {
                tracked_stream_bits: bits,
                ..Overload::default()
            };
            overload.action(Action::ResetStreams).set(1.0);
            assert_eq!(overload.least_reset_bytes(), None);
        }
    }
}
