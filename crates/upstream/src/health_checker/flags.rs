//! The flags that a check goes by: those of its host, or its own where the host has several checks.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use crate::cluster::{HealthFlags, Host};
use crate::health_check::combined::{Combined, Sum};

/// One host's flags as one check sees them.
pub(super) struct CheckFlags {
    /// As discovery describes it now.
    host: RefCell<Arc<Host>>,
    shared: Option<(Rc<RefCell<Combined>>, usize)>,
}

impl CheckFlags {
    /// Those of the only check.
    pub(super) fn of_the_host(host: &Arc<Host>) -> Self {
        Self {
            host: RefCell::new(Arc::clone(host)),
            shared: None,
        }
    }

    /// Those of the `check`th of several.
    pub(super) fn own(host: &Arc<Host>, combined: &Rc<RefCell<Combined>>, check: usize) -> Self {
        Self {
            host: RefCell::new(Arc::clone(host)),
            shared: Some((Rc::clone(combined), check)),
        }
    }

    /// The host, as discovery describes it now.
    pub(super) fn host(&self) -> Arc<Host> {
        Arc::clone(&self.host.borrow())
    }

    /// Discovery describes the host in another way.
    pub(super) fn renew(&self, now: &Arc<Host>) {
        *self.host.borrow_mut() = Arc::clone(now);
    }

    pub(super) fn get(&self) -> HealthFlags {
        match &self.shared {
            None => self.host().health(),
            Some((combined, check)) => combined.borrow().flags(*check),
        }
    }

    /// Whoever does so has the cluster tell its workers, if they have to know.
    pub(super) fn change(&self, add: HealthFlags, remove: HealthFlags) {
        match &self.shared {
            None => {
                let _the_transition_says_so_too = self.host().change_health(add, remove);
            }
            Some((combined, check)) => combined.borrow_mut().change(*check, add, remove),
        }
    }

    /// Whether the check is one of several.
    pub(super) fn are_own(&self) -> bool {
        self.shared.is_some()
    }

    /// There was a result: does with the host what all checks come to, if it is one of several and all had results.
    pub(super) fn report(&self) -> Option<Sum> {
        let (combined, check) = self.shared.as_ref()?;
        let sum = combined.borrow_mut().report(*check, self.host().health())?;
        let _the_sum_says_so_too = self.host().change_health(sum.add, sum.remove);
        Some(sum)
    }
}
