//! What was added to gauges for a stream by who logs it. It is taken off again once the stream is over, whatever else
//! is logged of it.
//!
//! Limit: a gauge is held once for a stream.

use std::cell::RefCell;
use std::sync::Arc;

use crate::stats::{Scope, WideGauge};

/// The gauges that a stream holds up.
#[derive(Debug, Default)]
pub struct HeldGauges(RefCell<Vec<HeldGauge>>);

#[derive(Debug)]
struct HeldGauge {
    // Before the scope, so that both leave at once.
    gauge: Arc<WideGauge>,
    /// As long as it is there, the gauge is listed.
    _scope: Scope,
    value: u64,
}

impl HeldGauges {
    /// Adds to a gauge of `scope` until it is subtracted; nothing if the stream holds the gauge already.
    pub fn add(&self, gauge: &Arc<WideGauge>, scope: &Scope, value: u64) {
        let mut held = self.0.borrow_mut();
        if held.iter().any(|held| Arc::ptr_eq(&held.gauge, gauge)) {
            return;
        }
        gauge.write_by(value.cast_signed());
        held.push(HeldGauge {
            gauge: Arc::clone(gauge),
            _scope: scope.clone(),
            value,
        });
    }

    /// Takes from a gauge what was added to it, if something was.
    pub fn subtract(&self, gauge: &Arc<WideGauge>) {
        let mut held = self.0.borrow_mut();
        held.retain(|held| !Arc::ptr_eq(&held.gauge, gauge));
    }

    /// The stream is over.
    pub(super) fn clear(&mut self) {
        self.0.get_mut().clear();
    }
}

impl Drop for HeldGauge {
    fn drop(&mut self) {
        self.gauge.write_by(self.value.cast_signed().wrapping_neg());
    }
}
