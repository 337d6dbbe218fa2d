//! What becomes of a host over time, whatever discovery says of its weight, priority, metadata and health.

use std::sync::atomic::{AtomicU16, AtomicU32};
use std::sync::{Arc, Mutex, OnceLock, Weak};

use tokio::sync::Notify;

use super::listed::ListedHost;
use super::{HealthFlags, HealthySince, HostCounters, ReportedLoad};

/// Tells whether a host is still there, itself or one that goes on with its past.
#[derive(Clone, Debug)]
pub struct HostPast(Weak<HostState>);

impl HostPast {
    pub(super) fn of(state: &Arc<HostState>) -> Self {
        Self(Arc::downgrade(state))
    }

    /// Whether it is gone for good.
    pub fn is_gone(&self) -> bool {
        self.0.strong_count() == 0
    }
}

#[derive(Debug)]
pub(super) struct HostState {
    pub(super) health: AtomicU32,
    pub(super) active_requests: AtomicU32,
    pub(super) healthy_since: HealthySince,
    /// Rings when it fails, where somebody listens.
    pub(super) failed: OnceLock<Arc<Notify>>,
    /// What it has reported of its load, where that counts.
    pub(super) reported: OnceLock<Box<ReportedLoad>>,
    pub(super) counters: Mutex<Vec<Arc<HostCounters>>>,
    /// The status of the last response to a check, 0 for none.
    pub(super) checked_status: AtomicU16,
    /// Where its counters are listed, if they are.
    pub(super) listed: OnceLock<ListedHost>,
}

impl HostState {
    /// Of a host that nobody has used yet.
    pub(super) fn new(health: HealthFlags) -> Self {
        Self {
            health: AtomicU32::new(health.bits()),
            active_requests: AtomicU32::new(0),
            healthy_since: HealthySince::default(),
            failed: OnceLock::new(),
            reported: OnceLock::new(),
            counters: Mutex::default(),
            checked_status: AtomicU16::new(0),
            listed: OnceLock::new(),
        }
    }
}
