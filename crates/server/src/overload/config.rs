//! `OverloadManager` and the messages inside of it.

use std::time::Duration;

use nuncio_config::runtime::RuntimeKey;
use nuncio_config::typed::{Any, Spanned};
use nuncio_config::{enumeration, message, one_of};

message! {
    /// What is watched, and what follows.
    pub(crate) struct OverloadManager: "envoy.config.overload.v3.OverloadManager" {
        pub(super) refresh_interval: Option<Duration>,
        pub(super) resource_monitors: Vec<ResourceMonitor>,
        pub(super) actions: Vec<OverloadAction>,
        pub(super) loadshed_points: Vec<LoadShedPoint>,
        pub(super) buffer_factory_config: Option<BufferFactoryConfig>,
    }
}

message! {
    /// A resource.
    pub(crate) struct ResourceMonitor: "envoy.config.overload.v3.ResourceMonitor" {
        pub(super) name: Spanned<String>,
        pub(super) oneof config_type: Option<MonitorConfig>,
    }
}

one_of! {
    /// Where the monitor's configuration is.
    pub(crate) enum MonitorConfig {
        typed_config => Typed(Any),
    }
}

message! {
    /// What is done when a resource is short.
    pub(crate) struct OverloadAction: "envoy.config.overload.v3.OverloadAction" {
        pub(super) name: Spanned<String>,
        pub(super) triggers: Vec<Trigger>,
        pub(super) typed_config: Option<Any>,
    }
}

message! {
    /// A place where load is shed when a resource is short.
    pub(crate) struct LoadShedPoint: "envoy.config.overload.v3.LoadShedPoint" {
        pub(super) name: Spanned<String>,
        pub(super) triggers: Vec<Trigger>,
    }
}

message! {
    /// How far a resource's pressure brings an action.
    pub(crate) struct Trigger: "envoy.config.overload.v3.Trigger" {
        pub(super) name: String,
        pub(super) oneof trigger_oneof: TriggerKind,
    }
}

one_of! {
    /// The kinds of trigger.
    pub(crate) enum TriggerKind {
        threshold => Threshold(Threshold),
        scaled => Scaled(Scaled),
    }
}

message! {
    /// All or nothing.
    pub(crate) struct Threshold: "envoy.config.overload.v3.ThresholdTrigger" {
        pub(super) value: f64,
    }
}

message! {
    /// By and by.
    pub(crate) struct Scaled: "envoy.config.overload.v3.ScaledTrigger" {
        pub(super) scaling_threshold: f64,
        pub(super) saturation_threshold: f64,
    }
}

message! {
    /// Which streams are watched for what they hold.
    pub(crate) struct BufferFactoryConfig: "envoy.config.overload.v3.BufferFactoryConfig" {
        pub(super) minimum_account_to_track_power_of_two: u32,
    }
}

message! {
    /// Which timeouts become shorter.
    pub(crate) struct ScaleTimers: "envoy.config.overload.v3.ScaleTimersOverloadActionConfig" {
        pub(super) timer_scale_factors: Vec<ScaleTimer>,
    }
}

message! {
    /// How short one becomes.
    pub(crate) struct ScaleTimer: "envoy.config.overload.v3.ScaleTimersOverloadActionConfig.ScaleTimer" {
        pub(super) timer: TimerType,
        pub(super) oneof overload_adjust: Adjust,
    }
}

enumeration! {
    /// The timeouts that may.
    pub(crate) enum TimerType: "envoy.config.overload.v3.ScaleTimersOverloadActionConfig.TimerType" {
        HTTP_DOWNSTREAM_CONNECTION_IDLE => ConnectionIdle,
        HTTP_DOWNSTREAM_STREAM_IDLE => StreamIdle,
        TRANSPORT_SOCKET_CONNECT => TransportConnect,
        HTTP_DOWNSTREAM_CONNECTION_MAX => ConnectionMax,
        HTTP_DOWNSTREAM_STREAM_FLUSH => StreamFlush,
    }
}

one_of! {
    /// The shortest that it becomes.
    pub(crate) enum Adjust {
        min_timeout => Timeout(Duration),
        min_scale => Scale(Percent),
    }
}

message! {
    /// Of a hundred.
    pub(crate) struct Percent: "envoy.type.v3.Percent" {
        pub(super) value: f64,
    }
}

message! {
    /// How memory is given back.
    pub(crate) struct ShrinkHeap: "envoy.config.overload.v3.ShrinkHeapConfig" {
        pub(super) timer_interval: Option<Duration>,
        inert max_unfreed_memory_bytes = "the allocator gives free memory back by itself, all of it",
    }
}

message! {
    /// A file that says the pressure.
    pub(crate) struct InjectedResource: "envoy.extensions.resource_monitors.injected_resource.v3.InjectedResourceConfig" {
        pub(super) filename: Spanned<String>,
    }
}

message! {
    /// The process's memory.
    pub(crate) struct FixedHeap: "envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig" {
        pub(super) max_heap_size_bytes: u64,
        pub(super) max_heap_size_bytes_runtime: Option<RuntimeUInt64>,
    }
}

message! {
    /// A number that runtime may override.
    pub(crate) struct RuntimeUInt64: "envoy.config.core.v3.RuntimeUInt64" {
        pub(super) default_value: u64,
        pub(super) runtime_key: RuntimeKey,
    }
}

message! {
    /// The memory of the control group.
    pub(crate) struct CgroupMemory: "envoy.extensions.resource_monitors.cgroup_memory.v3.CgroupMemoryConfig" {
        pub(super) max_memory_bytes: u64,
    }
}

message! {
    /// How busy processors are.
    pub(crate) struct CpuUtilization: "envoy.extensions.resource_monitors.cpu_utilization.v3.CpuUtilizationConfig" {
        pub(super) mode: CpuMode,
    }
}

enumeration! {
    /// Whose processors.
    pub(crate) enum CpuMode: "envoy.extensions.resource_monitors.cpu_utilization.v3.CpuUtilizationConfig.UtilizationComputeStrategy" {
        HOST => Host,
        CONTAINER => Container,
    }
}

message! {
    /// Open connections of clients.
    pub(crate) struct DownstreamConnections: "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig" {
        pub(super) max_active_downstream_connections: i64,
    }
}
