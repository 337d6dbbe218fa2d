//! A route's word on tracing: which of its requests are traced, and what they do.

use std::sync::Arc;

use nuncio_config::runtime::Fraction;
use nuncio_contract::matching::FractionalPercent;

use crate::config::tracing as config;

/// The shares of requests that are traced.
#[derive(Clone, Debug)]
pub(crate) struct Sampling {
    /// Of those whose clients ask for it.
    pub(crate) client: Fraction,
    /// Of the others.
    pub(crate) random: Fraction,
    /// Of all these.
    pub(crate) overall: Fraction,
}

/// What a route's requests do.
#[derive(Clone, Debug)]
pub(crate) struct Decorator {
    /// The word for it.
    pub(crate) operation: Arc<str>,
    /// Whether the other side is told.
    pub(crate) propagate: bool,
}

impl Sampling {
    pub(super) fn of_route(message: &config::RouteTracing) -> Self {
        let all = Fraction {
            numerator: 100,
            divisor: 100,
        };
        let share = |share: &Option<FractionalPercent>| {
            share.as_ref().map_or(all, FractionalPercent::share)
        };
        Sampling {
            client: share(&message.client_sampling),
            random: share(&message.random_sampling),
            overall: share(&message.overall_sampling),
        }
    }
}

impl Decorator {
    pub(super) fn of_route(message: &config::Decorator) -> Self {
        Decorator {
            operation: message.operation.as_str().into(),
            propagate: message.propagate != Some(false),
        }
    }
}
