//! Resource monitors: each tells a pressure when it is asked, once a refresh, on the main thread.
//!
//! A pressure is a share of what there is; above 1 there is less than what is used. What cannot be told is a failure,
//! which is counted, and leaves everything as it was.

mod cgroup;
mod connections;
mod cpu;
mod cpu_container;
mod heap;
mod injected;
mod proc_file;

use nuncio_config::typed::{Any, Ctx, FromValue, Refused, SupportTable};

use super::config;

/// The one monitor that connections are also refused by.
pub(super) const CONNECTIONS: &str = "envoy.resource_monitors.global_downstream_max_connections";

/// A resource monitor.
pub(crate) trait Monitor {
    /// The pressure of now.
    ///
    /// # Errors
    /// Why it cannot be told.
    fn pressure(&mut self) -> Result<f64, String>;
}

/// A monitor as it was configured, before it looks at anything.
#[derive(Clone, Debug)]
pub(crate) enum MonitorConfig {
    Injected(config::InjectedResource),
    Heap(config::FixedHeap),
    Cgroup(config::CgroupMemory),
    Cpu(config::CpuUtilization),
    Connections { most: u64 },
}

impl MonitorConfig {
    /// Decodes a monitor's message.
    pub(super) fn compile(name: &str, any: &Any, ctx: &mut Ctx) -> Result<Self, Refused> {
        let kind = any
            .type_name()
            .strip_prefix("envoy.extensions.resource_monitors.");
        match kind.unwrap_or_default() {
            "injected_resource.v3.InjectedResourceConfig" if name != CONNECTIONS => {
                let message = any.decode(ctx)?;
                injected::check(&message, ctx)?;
                Ok(MonitorConfig::Injected(message))
            }
            "fixed_heap.v3.FixedHeapConfig" if name != CONNECTIONS => {
                let message = any.decode(ctx)?;
                heap::check(&message, any.span, ctx)?;
                Ok(MonitorConfig::Heap(message))
            }
            "cgroup_memory.v3.CgroupMemoryConfig" if name != CONNECTIONS => {
                cgroup::check(any.span, ctx)?;
                Ok(MonitorConfig::Cgroup(any.decode(ctx)?))
            }
            "cpu_utilization.v3.CpuUtilizationConfig" if name != CONNECTIONS => {
                let message = any.decode(ctx)?;
                cpu_container::check(&message, any.span, ctx)?;
                Ok(MonitorConfig::Cpu(message))
            }
            "downstream_connections.v3.DownstreamConnectionsConfig" if name == CONNECTIONS => {
                let message: config::DownstreamConnections = any.decode(ctx)?;
                let most = message.max_active_downstream_connections;
                Ok(MonitorConfig::Connections {
                    most: u64::try_from(most).unwrap_or(0),
                })
            }
            _ => {
                let kind = any.type_name();
                let text = format!(
                    "Didn't find a registered implementation for '{name}' with type URL: '{kind}'"
                );
                ctx.error(any.span, text);
                Err(Refused)
            }
        }
    }

    /// Begins to look.
    pub(super) fn begin(&self) -> Box<dyn Monitor> {
        match self {
            MonitorConfig::Injected(message) => Box::new(injected::Injected::new(message)),
            MonitorConfig::Heap(message) => Box::new(heap::Heap::new(message)),
            MonitorConfig::Cgroup(message) => Box::new(cgroup::Cgroup::new(message)),
            MonitorConfig::Cpu(message) => cpu::begin(message),
            MonitorConfig::Connections { most } => Box::new(connections::Connections::new(*most)),
        }
    }
}

/// What is honoured of their messages.
pub(super) fn support(table: &mut SupportTable) {
    config::InjectedResource::support(table);
    config::FixedHeap::support(table);
    config::CgroupMemory::support(table);
    config::CpuUtilization::support(table);
    config::DownstreamConnections::support(table);
}

/// So much of so much.
fn share(used: u64, most: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "53 bits are enough for a share")]
    let share = used as f64 / most.max(1) as f64;
    share
}
