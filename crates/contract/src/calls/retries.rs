//! `envoy.config.core.v3.RetryPolicy`: what of a call is tried again.
//!
//! Defaults are Envoy's: one retry, a back-off from 1 s to ten times of that, which is the time for one try as well. Host predicates and retry priorities are
//! not there and refused.

use std::sync::Arc;
use std::time::Duration;

use nuncio_config::message;
use nuncio_config::typed::{Ctx, Refused, Spanned};

message! {
    /// What is tried again, and how.
    pub struct CoreRetryPolicy: "envoy.config.core.v3.RetryPolicy" {
        retry_back_off: Option<BackOffStrategy>,
        num_retries: Option<u32>,
        retry_on: Spanned<String>,
    }
}

message! {
    /// Times between tries.
    struct BackOffStrategy: "envoy.config.core.v3.BackoffStrategy" {
        base_interval: Duration,
        max_interval: Option<Duration>,
    }
}

/// The same compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallRetries {
    /// The conditions, as they stand there.
    pub retry_on: Box<str>,
    /// How often, the first try not counted.
    pub num_retries: u32,
    /// The shortest and the longest time between tries.
    pub back_off: Option<(Duration, Duration)>,
}

impl BackOffStrategy {
    /// The shortest and the longest time between tries.
    ///
    /// # Errors
    /// [`Refused`] if the longest is shorter.
    fn compile(&self, ctx: &mut Ctx) -> Result<(Duration, Duration), Refused> {
        let base = self.base_interval;
        let max = self.max_interval.unwrap_or(base.saturating_mul(10));
        if max < base {
            ctx.error(
                self.span(),
                "max_interval must be greater than or equal to the base_interval",
            );
            return Err(Refused);
        }
        Ok((base, max))
    }
}

impl CoreRetryPolicy {
    /// The policy.
    ///
    /// # Errors
    /// [`Refused`] when it cannot be used.
    pub fn compile(&self, ctx: &mut Ctx) -> Result<Arc<CallRetries>, Refused> {
        let back_off = self.retry_back_off.as_ref();
        Ok(Arc::new(CallRetries {
            retry_on: self.retry_on.value.as_str().into(),
            num_retries: self.num_retries.unwrap_or(1),
            back_off: back_off.map(|it| it.compile(ctx)).transpose()?,
        }))
    }
}
