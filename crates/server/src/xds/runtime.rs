//! RTDS: layers of the runtime. Each is one resource of its source; an update replaces the layer, or nothing.
//!
//! As in Envoy all layers count together, at `runtime.`.

use std::rc::Rc;

use nuncio_config::diagnostic::Diagnostics;
use nuncio_config::resources::{Response, first_error, unpack};

use super::Discovery;
use super::delivery::{Delivery, Verdict};
use super::subscription::{Subscription, Wanted};
use crate::runtime::Runtime;

const RUNTIME: &str = "envoy.service.runtime.v3.Runtime";

/// The layers that are subscribed to, with their places.
#[derive(Default)]
pub(super) struct RuntimeLayers(Vec<(usize, Subscription)>);

impl RuntimeLayers {
    /// Whether there is nothing to look after.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Discovery<'_> {
    /// Subscribes to the layers of the runtime that come from elsewhere, one after another; returns once each has come.
    pub(super) async fn start_runtime(&self) {
        for (place, name, source) in self.around.runtime.layers_from_elsewhere() {
            let scope = self.around.stats.scope("runtime");
            let wanted = Wanted::one(RUNTIME, &name);
            let (subscription, delivery) =
                Subscription::begin(&self.planes, wanted, &source, scope);
            let first = Rc::clone(subscription.first());
            let is_there = delivery.is_some();
            if let Some(delivery) = delivery {
                self.deliver_layer(place, &subscription, delivery);
            }
            self.layers.borrow_mut().0.push((place, subscription));
            self.changed.notify_one();
            if !is_there {
                self.looking_meanwhile(first.wait()).await;
            }
        }
    }

    pub(super) fn look_for_runtime(&self) {
        for (place, subscription) in &mut self.layers.borrow_mut().0 {
            if let Some(delivery) = subscription.look() {
                self.deliver_layer(*place, subscription, delivery);
            }
        }
    }

    fn deliver_layer(&self, place: usize, subscription: &Subscription, delivery: Delivery) {
        match delivery {
            Ok(response) => {
                let verdict = apply(self.around.runtime, place, &response);
                subscription.answer(&response.version, &verdict);
            }
            Err(failure) => subscription.fail(&failure, self.workshop.style()),
        }
    }
}

fn apply(runtime: &Runtime, place: usize, response: &Response) -> Verdict {
    let gone = response.removed.as_ref().map_or(0, Vec::len);
    let resource = match (&response.resources[..], gone) {
        ([resource], 0) => resource,
        ([], 1) => return runtime.clear_layer(place),
        (resources, _) => {
            let count = resources.len();
            return Err(format!(
                "Unexpected RTDS resource length, number of added resources {count}, number of removed resources {gone}"
            ));
        }
    };
    let mut diagnostics = Diagnostics::default();
    let message = unpack(RUNTIME, resource, &mut diagnostics);
    let message = message.ok_or_else(|| first_error(&diagnostics))?;
    runtime.set_layer(place, &message)
}
