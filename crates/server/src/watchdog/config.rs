//! `Watchdogs` and the messages inside of it.

use std::time::Duration;

use nuncio_config::typed::{Any, Spanned};
use nuncio_config::{enumeration, message};

message! {
    /// One for the main thread, one for the workers.
    pub(crate) struct Watchdogs: "envoy.config.bootstrap.v3.Watchdogs" {
        pub(super) main_thread_watchdog: Option<Watchdog>,
        pub(super) worker_watchdog: Option<Watchdog>,
    }
}

message! {
    /// How long threads may take for one turn.
    pub(crate) struct Watchdog: "envoy.config.bootstrap.v3.Watchdog" {
        pub(super) actions: Vec<WatchdogAction>,
        pub(super) miss_timeout: Option<Duration>,
        pub(super) megamiss_timeout: Option<Duration>,
        pub(super) kill_timeout: Option<Duration>,
        pub(super) max_kill_timeout_jitter: Option<Duration>,
        pub(super) multikill_timeout: Option<Duration>,
        pub(super) multikill_threshold: Option<Percent>,
    }
}

message! {
    /// What else happens then.
    pub(crate) struct WatchdogAction: "envoy.config.bootstrap.v3.Watchdog.WatchdogAction" {
        pub(super) config: Option<Extension>,
        pub(super) event: WatchdogEvent,
    }
}

enumeration! {
    /// What there may be.
    pub(crate) enum WatchdogEvent: "envoy.config.bootstrap.v3.Watchdog.WatchdogAction.WatchdogEvent" {
        UNKNOWN => Unknown,
        KILL => Kill,
        MULTIKILL => MultiKill,
        MEGAMISS => MegaMiss,
        MISS => Miss,
    }
}

message! {
    /// An extension.
    pub(crate) struct Extension: "envoy.config.core.v3.TypedExtensionConfig" {
        pub(super) name: Spanned<String>,
        pub(super) typed_config: Any,
    }
}

message! {
    /// The process is aborted.
    pub(crate) struct Abort: "envoy.watchdog.v3.AbortActionConfig" {
        inert wait_duration = "the process is aborted at once, as a thread cannot be signalled alone",
    }
}

message! {
    /// Of a hundred.
    pub(crate) struct Percent: "envoy.type.v3.Percent" {
        pub(super) value: f64,
    }
}
