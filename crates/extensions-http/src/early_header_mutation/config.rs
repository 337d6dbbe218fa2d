//! The message of the early header mutation, and what it does.

use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_contract::early_header_mutation::EarlyHeaderMutation;
use nuncio_contract::header_steps::{Mutation, Step, steps};
use nuncio_contract::headers::HeaderMap;
use nuncio_contract::services::WorkerServices;
use nuncio_contract::stream_info::StreamInfo;

use crate::header_mutation::change_request;

message! {
    /// The changes in their order.
    pub(super) struct EarlyMutation:
        "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation" {
        mutations: Vec<Mutation>,
    }
}

struct Steps(Arc<[Step]>);

impl EarlyHeaderMutation for Steps {
    fn mutate(&self, request: &mut HeaderMap, info: &StreamInfo, services: &dyn WorkerServices) {
        for step in &*self.0 {
            change_request(step, request, info, services);
        }
    }
}

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn EarlyHeaderMutation>, Refused> {
    let message: EarlyMutation = any.decode(ctx)?;
    Ok(Arc::new(Steps(steps(&message.mutations, ctx)?)))
}
