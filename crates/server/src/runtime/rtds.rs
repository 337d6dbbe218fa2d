//! Layers of runtime that come from elsewhere (`rtds_layer`): one resource each, which replaces all values of its layer.

use std::sync::Arc;

use nuncio_config::runtime::RuntimeValue;
use nuncio_config::tree::Message;
use nuncio_config::typed::{Ctx, decode};
use nuncio_contract::config_source::ResourceSource;

use super::config::RuntimeResource;
use super::layers::{Rtds, Source};
use super::{Runtime, names};

impl Runtime {
    /// The layers that come from elsewhere: their places, what they are called, and where they come from.
    pub(crate) fn layers_from_elsewhere(&self) -> Vec<(usize, String, ResourceSource)> {
        let running = self.running.get();
        let layers = running.into_iter().flat_map(|running| &running.layers);
        let sources = layers
            .enumerate()
            .filter_map(|(place, layer)| match &layer.source {
                Source::Rtds(rtds) => Some((place, rtds.resource.clone(), rtds.source.clone())),
                Source::Static(_) | Source::Disk(_) | Source::Admin => None,
            });
        sources.collect()
    }

    /// Puts the values of a layer that came from elsewhere in force.
    ///
    /// # Errors
    /// In Envoy's words, why they cannot be.
    pub(crate) fn set_layer(&self, place: usize, resource: &Arc<Message>) -> Result<(), String> {
        self.rtds(place)?.take(resource)?;
        self.load();
        Ok(())
    }

    /// Takes the values of a layer back that came from elsewhere.
    ///
    /// # Errors
    /// If it does not come from elsewhere.
    pub(crate) fn clear_layer(&self, place: usize) -> Result<(), String> {
        self.rtds(place)?.values.take();
        self.load();
        Ok(())
    }

    fn rtds(&self, place: usize) -> Result<&Rtds, String> {
        let running = self.running.get().ok_or("there is no runtime")?;
        match running.layers.get(place).map(|layer| &layer.source) {
            Some(Source::Rtds(rtds)) => Ok(rtds),
            _ => Err("the layer does not come from elsewhere".to_string()),
        }
    }
}

impl Rtds {
    fn take(&self, resource: &Arc<Message>) -> Result<(), String> {
        let mut ctx = Ctx::new(false);
        let message: Result<RuntimeResource, _> = decode(resource, &mut ctx);
        let message =
            message.map_err(|_| nuncio_config::resources::first_error(&ctx.diagnostics))?;
        if message.name != self.resource {
            let (wanted, name) = (&self.resource, &message.name);
            return Err(format!(
                "Unexpected RTDS runtime (expecting {wanted}): {name}"
            ));
        }
        let values = match &message.layer {
            None => Vec::new(),
            Some(layer) => RuntimeValue::of_layer(&layer.value)
                .map_err(|name| format!("Invalid runtime entry value for {name}"))?,
        };
        for (name, value) in &values {
            names::tell(name, value);
        }
        self.values.replace(Arc::new(values.into_iter().collect()));
        Ok(())
    }
}
