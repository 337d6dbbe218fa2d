//! Faults: commands that are answered late, or with an error, for a share of them.

use std::time::Duration;

use nuncio_contract::matching::RuntimeFractionalPercent;

use crate::messages::{FaultType, RedisFault};

/// A fault.
pub(crate) struct Fault {
    pub(crate) is_error: bool,
    pub(crate) delay: Option<Duration>,
    share: RuntimeFractionalPercent,
    /// In lower case; none: all.
    commands: Vec<String>,
}

/// All faults, in their order.
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn compile(messages: &[RedisFault]) -> Self {
        let faults = messages.iter().map(|message| Fault {
            is_error: message.fault_type == FaultType::Error,
            delay: message.delay.filter(|delay| !delay.is_zero()),
            share: message.fault_enabled.clone(),
            commands: message
                .commands
                .iter()
                .map(|name| name.to_ascii_lowercase())
                .collect(),
        });
        Faults(faults.collect())
    }

    /// The fault of a command that draws this number: those that name it go before those for all, and their shares
    /// add up.
    pub(crate) fn find(&self, command: &str, random: impl FnOnce() -> u64) -> Option<&Fault> {
        if self.0.is_empty() {
            return None;
        }
        let named = |fault: &&Fault| fault.commands.iter().any(|name| name == command);
        let for_all = |fault: &&Fault| fault.commands.is_empty();
        let drawn = random() % 100;
        let mut sum = 0;
        let mut each = self.0.iter().filter(named);
        let mut others = self.0.iter().filter(for_all);
        std::iter::from_fn(|| each.next().or_else(|| others.next())).find(|fault| {
            sum += u64::from(fault.share.share().numerator);
            drawn < sum
        })
    }
}
