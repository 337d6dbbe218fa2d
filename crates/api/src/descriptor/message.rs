//! Messages: their names, fields, oneofs and versions.

use std::fmt;

use super::field::Field;
use super::oneof::Oneof;
use crate::generated::layout::{FIELDS_BY_NAME, MESSAGES, SUCCESSORS};
use crate::tables;

/// A message type.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Message(pub(super) u16);

/// The message with this full name, such as `envoy.config.bootstrap.v3.Bootstrap`.
pub fn message(full_name: &str) -> Option<Message> {
    let name_of = |row| tables::string(MESSAGES.word(row, 0));
    tables::find_sorted(MESSAGES.rows(), full_name, name_of).map(|row| Message(row as u16))
}

/// All messages, sorted by full name.
pub fn messages() -> impl ExactSizeIterator<Item = Message> + Clone {
    (0..MESSAGES.rows() as u16).map(Message)
}

impl Message {
    fn word(self, column: usize) -> u32 {
        MESSAGES.word(u32::from(self.0), column)
    }

    fn flag(self, bit: u32) -> bool {
        self.word(5) >> bit & 1 != 0
    }

    /// The name with its package, such as `envoy.config.bootstrap.v3.Bootstrap`.
    pub fn full_name(self) -> &'static str {
        tables::string(self.word(0))
    }

    /// The last part of the full name, such as `Bootstrap`.
    pub fn name(self) -> &'static str {
        let full_name = self.full_name();
        full_name
            .rsplit_once('.')
            .map_or(full_name, |(_, name)| name)
    }

    /// A number below `messages().len()`, for tables beside this one. It changes between versions.
    pub fn index(self) -> u16 {
        self.0
    }

    /// The fields, sorted by number.
    pub fn fields(self) -> impl ExactSizeIterator<Item = Field> + Clone {
        let first = self.word(1) as u16;
        let count = self.word(2) as u16;
        (first..first + count).map(Field)
    }

    /// The field with this name, in snake_case or lowerCamelCase.
    pub fn field(self, name: &str) -> Option<Field> {
        let first = self.word(1);
        let by_name = |position| Field(FIELDS_BY_NAME.word(first + position, 0) as u16);
        let found = tables::find_sorted(self.word(2) & 0xffff, name, |position| {
            by_name(position).name()
        });
        match found {
            Some(position) => Some(by_name(position)),
            None => self.fields().find(|field| field.json_name() == name),
        }
    }

    /// The field with this number.
    pub fn field_by_number(self, number: u32) -> Option<Field> {
        self.fields().find(|field| field.number() == number)
    }

    /// The oneofs in the order of their declaration.
    pub fn oneofs(self) -> impl ExactSizeIterator<Item = Oneof> + Clone {
        let first = self.word(3) as u16;
        let count = (self.word(2) >> 16) as u16;
        (first..first + count).map(Oneof)
    }

    /// The full name of the same message in the previous major version of the API,
    /// known to these tables or not.
    pub fn previous_name(self) -> Option<&'static str> {
        tables::optional_string(self.word(4))
    }

    /// The same message in the previous major version of the API.
    pub fn previous(self) -> Option<Message> {
        self.previous_name().and_then(message)
    }

    /// The messages whose previous version this one is: v2 to v3. Few have more than one.
    pub fn successors(self) -> impl Iterator<Item = Message> {
        let index = u32::from(self.0);
        let first = tables::lower_bound(SUCCESSORS.rows(), |row| SUCCESSORS.word(row, 0) < index);
        let rows = first..SUCCESSORS.rows();
        let rows = rows.take_while(move |row| SUCCESSORS.word(*row, 0) == index);
        rows.map(|row| Message(SUCCESSORS.word(row, 1) as u16))
    }

    /// Whether the message is marked as deprecated.
    pub fn deprecated(self) -> bool {
        self.flag(0)
    }

    /// Whether the message, or all of its file, is marked as work in progress.
    pub fn work_in_progress(self) -> bool {
        self.flag(1)
    }

    /// Whether the message's validation rules are switched off (`validate.disabled`).
    pub fn rules_disabled(self) -> bool {
        self.flag(2)
    }

    /// Whether no validation is made for the message (`validate.ignored`).
    pub fn rules_ignored(self) -> bool {
        self.flag(3)
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Message({})", self.full_name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_found_by_their_full_names() {
        for name in [
            "envoy.config.bootstrap.v3.Bootstrap",
            "envoy.config.bootstrap.v2.Bootstrap",
            "envoy.api.v2.Listener",
            "envoy.config.route.v3.RouteAction.HashPolicy.Header",
            "envoy.service.discovery.v3.DiscoveryRequest",
            "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "envoy.admin.v3.ConfigDump",
            "xds.type.matcher.v3.Matcher",
            "udpa.type.v1.TypedStruct",
            "google.protobuf.Any",
            "google.protobuf.Duration",
            "google.protobuf.UInt32Value",
            "google.rpc.Status",
            "google.api.expr.v1alpha1.Expr",
            "cel.expr.Expr",
        ] {
            assert_eq!(message(name).map(Message::full_name), Some(name), "{name}");
        }
    }

    #[test]
    fn names_that_are_no_messages_are_not_found() {
        for name in [
            "",
            "envoy",
            "envoy.config.bootstrap.v3.Bootstra",
            "envoy.config.cluster.v3.Cluster.LbPolicy",
        ] {
            assert_eq!(message(name), None, "{name}");
        }
    }

    #[test]
    fn every_message_is_found_again() {
        assert!(messages().len() > 2000);
        for known in messages() {
            assert_eq!(message(known.full_name()), Some(known));
        }
    }

    #[test]
    fn map_entries_are_no_messages_of_their_own() {
        assert_eq!(
            message("envoy.config.core.v3.Metadata.FilterMetadataEntry"),
            None
        );
    }

    #[test]
    fn fields_are_found_by_both_spellings_and_by_number() {
        for known in messages() {
            for field in known.fields() {
                assert_eq!(known.field(field.name()), Some(field));
                assert_eq!(
                    known.field(field.json_name()),
                    Some(field),
                    "{known:?} {}",
                    field.json_name()
                );
                assert_eq!(known.field_by_number(field.number()), Some(field));
                assert_eq!(field.message(), known);
            }
        }
    }

    #[test]
    fn fields_come_by_number() {
        for known in messages() {
            assert!(known.fields().is_sorted_by_key(Field::number), "{known:?}");
        }
    }

    #[test]
    fn v3_messages_know_their_v2_form() {
        let router = message("envoy.extensions.filters.http.router.v3.Router");
        let previous = router.and_then(Message::previous);
        assert_eq!(
            previous,
            message("envoy.config.filter.http.router.v2.Router")
        );
    }

    #[test]
    fn v2_messages_know_their_v3_form() {
        for (v2, v3) in [
            (
                "envoy.api.v2.auth.UpstreamTlsContext",
                "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            ),
            (
                "envoy.config.filter.network.http_connection_manager.v2.HttpConnectionManager",
                "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            ),
            (
                "envoy.config.accesslog.v2.FileAccessLog",
                "envoy.extensions.access_loggers.file.v3.FileAccessLog",
            ),
        ] {
            let successors: Vec<_> = message(v2)
                .into_iter()
                .flat_map(Message::successors)
                .collect();
            assert_eq!(successors, Vec::from_iter(message(v3)), "{v2}");
        }
    }

    #[test]
    fn oneofs_are_listed_without_the_synthetic_ones() {
        let cluster = message("envoy.config.cluster.v3.Cluster").expect("known");
        let names: Vec<_> = cluster.oneofs().map(Oneof::name).collect();
        assert_eq!(names, ["cluster_discovery_type", "lb_config"]);
    }
}
