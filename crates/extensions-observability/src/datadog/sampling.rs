//! Whether traces are kept: as the agent asks for it by its answers, or all.

use std::collections::HashMap;

use serde_json::Value;

/// Services of which an agent may tell rates.
const MAX_RATES: usize = 1024;
/// The key of the rate for all services that have none.
const ALL: &str = "service:,env:";
/// By which ids are spread.
const FACTOR: u64 = 1_111_111_111_111_111_111;

/// Who has decided, by Datadog's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mechanism {
    Default,
    AgentRate,
    Manual,
}

impl Mechanism {
    pub(super) fn number(self) -> u8 {
        match self {
            Mechanism::Default => 0,
            Mechanism::AgentRate => 1,
            Mechanism::Manual => 4,
        }
    }
}

/// What is decided of a trace.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Decision {
    /// Above 0 it is kept.
    pub(super) priority: i32,
    /// None if it came with the request.
    pub(super) mechanism: Option<Mechanism>,
    /// The share of traces that are kept, if a share decided.
    pub(super) rate: Option<f64>,
}

impl Decision {
    /// As a request says.
    pub(super) fn of_request(priority: i32) -> Self {
        Decision {
            priority,
            mechanism: None,
            rate: None,
        }
    }

    /// Whoever set us up does not want it.
    pub(super) fn drop() -> Self {
        Self::manual(false)
    }

    /// Whoever set us up wants it, or not.
    pub(super) fn manual(is_kept: bool) -> Self {
        Decision {
            priority: if is_kept { 2 } else { -1 },
            mechanism: Some(Mechanism::Manual),
            rate: None,
        }
    }
}

/// The rates that the agent has told.
#[derive(Debug, Default)]
pub(super) struct Rates {
    by_service: HashMap<String, f64>,
    of_all: Option<f64>,
}

impl Rates {
    /// Takes an answer of the agent; one with a wrong rate changes nothing.
    pub(super) fn take(&mut self, answer: &[u8]) {
        let Ok(Value::Object(answer)) = serde_json::from_slice(answer) else {
            return;
        };
        let rates = match answer.get("rate_by_service") {
            None => Some(HashMap::new()),
            Some(Value::Object(rates)) if rates.len() <= MAX_RATES => {
                let rates = rates.iter().map(|(key, rate)| {
                    let rate = rate.as_f64().filter(|rate| (0.0..=1.0).contains(rate))?;
                    Some((key.clone(), rate))
                });
                rates.collect::<Option<HashMap<_, _>>>()
            }
            Some(_) => None,
        };
        if let Some(rates) = rates {
            self.of_all = rates.get(ALL).copied().or(self.of_all);
            self.by_service = rates;
        }
    }

    /// Decides about the trace with this id.
    pub(super) fn decide(&self, service: &str, trace_id: u64) -> Decision {
        let of_service = self.by_service.get(&format!("service:{service},env:"));
        let told = of_service.copied().or(self.of_all);
        let rate = told.unwrap_or(1.0);
        let is_kept = trace_id.wrapping_mul(FACTOR) <= limit(rate);
        Decision {
            priority: i32::from(is_kept),
            mechanism: Some(match told {
                Some(_) => Mechanism::AgentRate,
                None => Mechanism::Default,
            }),
            rate: Some(rate),
        }
    }
}

/// The share of all ids, which is between 0 and 1.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss
)]
fn limit(rate: f64) -> u64 {
    (rate * u64::MAX as f64) as u64
}
