//! How many messages a call had, as filter state.

use std::any::Any;

use nuncio_contract::stream_info::{FilterStateObject, StreamInfo};

const KEY: &str = "envoy.filters.http.grpc_stats";

/// The numbers of messages so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Messages {
    pub(super) requests: u64,
    pub(super) responses: u64,
}

impl Messages {
    /// Leaves the numbers in the place of those before.
    pub(super) fn leave(self, info: &mut StreamInfo) {
        let state = info.filter_state_mut();
        match state.get_mut_as::<Messages>(KEY) {
            Some(messages) => *messages = self,
            None => state.set(KEY, Box::new(self)),
        }
    }
}

impl FilterStateObject for Messages {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn serialize_as_string(&self) -> Option<String> {
        Some(format!("{},{}", self.requests, self.responses))
    }

    fn serialize_as_json(&self) -> Option<String> {
        Some(self.json(["requestMessageCount", "responseMessageCount"]))
    }

    fn serialize_within_json(&self) -> Option<String> {
        Some(self.json(["request_message_count", "response_message_count"]))
    }
}

impl Messages {
    /// As Envoy writes the message: numbers of 64 bits as text, no zeros.
    fn json(self, names: [&str; 2]) -> String {
        let fields = names.into_iter().zip([self.requests, self.responses]);
        let told: Vec<_> = fields
            .filter(|(_, number)| *number != 0)
            .map(|(name, number)| format!(r#""{name}":"{number}""#))
            .collect();
        format!("{{{}}}", told.join(","))
    }
}
