//! Ticks of plugins: a context has one task that waits for them, however often their period is set; where that is set
//! anew, the task begins to wait anew.

use std::future::poll_fn;
use std::rc::Weak;
use std::task::{Poll, Waker};
use std::time::Duration;

use nuncio_contract::calls::Calls;

use super::guest::Guest;
use super::link::Arguments;
use crate::live::Outside;
use crate::status::Done;

/// When a context has its ticks.
#[derive(Default)]
pub(crate) struct Ticks {
    period_ms: u64,
    /// How often the period was set.
    times: u32,
    /// A task waits for the next one.
    has_task: bool,
    waker: Option<Waker>,
}

impl Ticks {
    /// Sets the period, 0 for none; whether a task is to be begun.
    fn set(&mut self, period_ms: u64) -> bool {
        self.period_ms = period_ms;
        self.times = self.times.wrapping_add(1);
        self.wake();
        period_ms > 0 && !std::mem::replace(&mut self.has_task, true)
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// What the task waits for, and which setting that is; nothing where it has nothing to do any more.
    pub(crate) fn next(&mut self) -> Option<(Duration, u32)> {
        if self.period_ms == 0 {
            self.has_task = false;
            return None;
        }
        Some((Duration::from_millis(self.period_ms), self.times))
    }

    /// Whether the setting is still this one.
    pub(crate) fn is_set(&self, times: u32) -> bool {
        self.times == times
    }

    /// The task is woken when that is no longer so.
    pub(crate) fn wait(&mut self, waker: &Waker) {
        self.waker = Some(waker.clone());
    }
}

impl Drop for Ticks {
    /// The task ends with the context, and not only when its time has come.
    fn drop(&mut self) {
        self.wake();
    }
}

pub(crate) fn set_period(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Done {
    let host = guest.host();
    let root = host.root_id();
    let (vm, is_trial) = (host.vm.clone(), host.is_trial);
    let calls = host.calls.clone().filter(|_| !is_trial);
    let ticks = &mut host.contexts.entry(root).or_default().ticks;
    let Some(calls) = calls else { return Ok(()) };
    if ticks.set(u64::from(args.u32(0))) {
        calls.spawn(Box::pin(run(vm, root, calls.clone())));
    }
    Ok(())
}

/// Ticks until there are to be none.
async fn run(vm: Weak<dyn Outside>, root: u32, timer: Calls) {
    while let Some((period, times)) = vm.upgrade().and_then(|vm| vm.next_tick(root)) {
        let mut sleep = timer.sleep(period);
        let is_due = poll_fn(|cx| {
            let awaits = |vm: std::rc::Rc<dyn Outside>| vm.awaits_tick(root, times, cx.waker());
            match vm.upgrade().is_some_and(awaits) {
                true => sleep.as_mut().poll(cx).map(|()| true),
                false => Poll::Ready(false),
            }
        });
        if is_due.await
            && let Some(vm) = vm.upgrade()
        {
            vm.tick(root);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Ticks;

    #[test]
    fn a_context_has_one_task_however_often_its_period_is_set() {
        let mut ticks = Ticks::default();
        assert!(ticks.set(1000));
        let (_, first) = ticks.next().unwrap();
        assert!(!ticks.set(10));
        assert!(!ticks.is_set(first));
        assert!(!ticks.set(0));
        // The task sees that there are none, and is gone.
        assert_eq!(ticks.next(), None);
        assert!(ticks.set(10));
    }
}
