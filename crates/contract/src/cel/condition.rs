//! Conditions on requests that are not answered yet, for who is outside of the contract. One that cannot be evaluated, or
//! is no boolean, does not hold.

use nuncio_config::typed::{Ctx, Refused};

use super::{Attributes, CelExpression, Expression};
use crate::headers::HeaderMap;
use crate::services::WorkerServices;
use crate::stream_info::StreamInfo;

/// A condition, compiled.
#[derive(Clone, Debug)]
pub struct RequestCondition(Expression);

impl RequestCondition {
    /// Compiles the expression that a message has as a tree.
    ///
    /// # Errors
    /// [`Refused`] when it has none, or none that can be evaluated.
    pub fn compile(message: &CelExpression, ctx: &mut Ctx) -> Result<Self, Refused> {
        message.compile(ctx).map(RequestCondition)
    }

    /// Whether it holds.
    pub fn holds(
        &self,
        info: &StreamInfo,
        request: &HeaderMap,
        services: &dyn WorkerServices,
    ) -> bool {
        self.0.matches(&Attributes {
            info,
            request: Some(request),
            response: None,
            trailers: None,
            services: Some(services),
            lacks_response: None,
        })
    }
}
