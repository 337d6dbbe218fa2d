//! A copy of what is known of a stream, for who needs a value of their own where they may only look at it. Objects of
//! filter state are copied as texts.

use super::{FilterState, FilterStateObject, StreamInfo};
use std::sync::Arc;

/// The text that an object was.
struct Copied(Option<String>);

impl FilterStateObject for Copied {
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }

    fn serialize_as_string(&self) -> Option<String> {
        self.0.clone()
    }
}

impl StreamInfo {
    /// A copy.
    #[must_use]
    pub fn snapshot(&self) -> Self {
        let mut copy = StreamInfo::new(
            std::rc::Rc::clone(&self.connection),
            self.start_time(),
            self.start,
        );
        copy.end = self.end;
        copy.protocol = self.protocol;
        copy.downstream_timing = self.downstream_timing;
        copy.downstream_bytes = self.downstream_bytes;
        copy.remote_address = self.remote_address.clone();
        copy.response_code = self.response_code;
        copy.response_code_details = self.response_code_details.clone();
        copy.connection_termination_details = self.connection_termination_details.clone();
        copy.response_flags = self.response_flags;
        copy.custom_flags.clone_from(&self.custom_flags);
        copy.bytes_received = self.bytes_received;
        copy.bytes_sent = self.bytes_sent;
        copy.has_route = self.has_route;
        copy.route_name = self.route_name.clone();
        copy.virtual_cluster_name = self.virtual_cluster_name.clone();
        copy.route_metadata = self.route_metadata.clone();
        copy.virtual_host_metadata = self.virtual_host_metadata.clone();
        copy.upstream_cluster = self.upstream_cluster.clone();
        let (upstream, from) = (&mut copy.upstream, &self.upstream);
        upstream.chosen_host = from.chosen_host.clone();
        upstream.hosts_attempted.clone_from(&from.hosts_attempted);
        upstream.connection_id = from.connection_id;
        upstream.local_address = from.local_address.clone();
        upstream.remote_address = from.remote_address.clone();
        upstream.protocol = from.protocol;
        upstream.tls = from.tls.clone();
        upstream.transport_failure_reason = from.transport_failure_reason.clone();
        upstream.timing = from.timing;
        upstream.filter_state = from.filter_state.as_ref().map(Arc::clone);
        upstream.bytes = from.bytes;
        upstream.is_set = from.is_set;
        copy.attempt_count = self.attempt_count;
        copy.stream_id = self.stream_id.clone();
        copy.dynamic_metadata = self.dynamic_metadata.clone();
        copy.filter_state = self
            .filter_state
            .as_deref()
            .map(|state| Box::new(state.copied()));
        copy
    }
}

impl FilterState {
    /// The same objects as texts.
    fn copied(&self) -> FilterState {
        let mut copy = FilterState::default();
        for (name, object) in self.own() {
            copy.set(name, Box::new(Copied(object.serialize_as_string())));
        }
        copy.put_before(self.before());
        copy
    }
}
