//! What adds entries to a descriptor: `envoy.config.route.v3.RateLimit.Action`, compiled.
//!
//! An action adds an entry, adds none, or says that there is no descriptor at all. Not there:
//! `dynamic_metadata`, which Envoy refuses as well. Metadata of the locality is never there, as filters run before a
//! host is chosen; that is so in Envoy.

use std::borrow::Cow;
use std::net::IpAddr;

use nuncio_config::typed::{Ctx, Refused};

use super::expression::{self, ExpressionEntry};
use super::messages::{
    ActionKind, ActionMessage, HeaderValueMatch, MaskedRemoteAddress, MetaData, MetadataSource,
    QueryParameterValueMatch,
};
use super::{Asked, Entry};
use crate::formatter::Format;
use crate::headers::HeaderName;
use crate::match_tree::{MatchData, TextInput, query_parameter};
use crate::matching::{
    CompiledAddressMatcher, CompiledHeaderMatcher, CompiledQueryParameterMatcher,
};
use crate::stream_info::Metadata;
use crate::stream_info::metadata::Value;

const V4_BITS: u32 = 32;
const V6_BITS: u32 = 128;

/// A compiled action.
#[derive(Debug)]
pub(super) enum Action {
    SourceCluster,
    DestinationCluster,
    RequestHeader {
        name: Option<HeaderName>,
        key: Box<str>,
        skip_if_absent: bool,
    },
    QueryParameter {
        name: Box<[u8]>,
        key: Box<str>,
        skip_if_absent: bool,
    },
    RemoteAddress,
    MaskedRemoteAddress {
        v4_bits: u32,
        v6_bits: u32,
    },
    RemoteAddressMatch {
        matcher: CompiledAddressMatcher,
        key: Box<str>,
        value: Format,
        default: Box<str>,
    },
    Text(Entry),
    HeaderMatch {
        matchers: Box<[CompiledHeaderMatcher]>,
        expected: bool,
        entry: Entry,
    },
    QueryMatch {
        matchers: Box<[CompiledQueryParameterMatcher]>,
        expected: bool,
        entry: Entry,
    },
    Metadata(MetadataAction),
    Input {
        input: Box<TextInput>,
        key: Box<str>,
    },
    Expression(Box<ExpressionEntry>),
}

#[derive(Debug)]
pub(super) struct MetadataAction {
    source: MetadataSource,
    namespace: Box<str>,
    path: Box<[Box<str>]>,
    key: Box<str>,
    default: Box<str>,
    skip_if_absent: bool,
}

/// What comes of an action.
pub(super) enum Added {
    Entry(Entry),
    /// The descriptor has no such entry.
    Nothing,
    /// There is no descriptor.
    NoDescriptor,
}

impl Added {
    pub(super) fn or_absent(value: Option<Entry>, skip_if_absent: bool) -> Self {
        match (value, skip_if_absent) {
            (Some(entry), _) => Added::Entry(entry),
            (None, true) => Added::Nothing,
            (None, false) => Added::NoDescriptor,
        }
    }
}

/// The key that is given, or the usual one.
fn key_or(key: &str, usual: &str) -> Box<str> {
    if key.is_empty() { usual } else { key }.into()
}

fn text_entry(key: &str, usual: &str, value: &str) -> Entry {
    Entry::new(key_or(key, usual), value.as_bytes())
}

impl Action {
    pub(super) fn compile(message: &ActionMessage, ctx: &mut Ctx) -> Result<Self, Refused> {
        Ok(match &message.action_specifier {
            ActionKind::SourceCluster(_) => Action::SourceCluster,
            ActionKind::DestinationCluster(_) => Action::DestinationCluster,
            ActionKind::RequestHeaders(it) => Action::RequestHeader {
                // A name that no header can have is never there.
                name: HeaderName::parse_with_pseudo(&it.header_name).ok(),
                key: it.descriptor_key.as_str().into(),
                skip_if_absent: it.skip_if_absent,
            },
            ActionKind::QueryParameters(it) => Action::QueryParameter {
                name: it.query_parameter_name.as_bytes().into(),
                key: key_or(&it.descriptor_key, "query_param"),
                skip_if_absent: it.skip_if_absent,
            },
            ActionKind::RemoteAddress(_) => Action::RemoteAddress,
            ActionKind::MaskedRemoteAddress(MaskedRemoteAddress {
                v4_prefix_mask_len,
                v6_prefix_mask_len,
                ..
            }) => Action::MaskedRemoteAddress {
                v4_bits: v4_prefix_mask_len.unwrap_or(V4_BITS),
                v6_bits: v6_prefix_mask_len.unwrap_or(V6_BITS),
            },
            ActionKind::RemoteAddressMatch(it) => Action::RemoteAddressMatch {
                matcher: CompiledAddressMatcher::compile(&it.address_matcher, ctx)?,
                key: key_or(&it.descriptor_key, "remote_address_match"),
                value: Format::parse_omitting(&it.descriptor_value, ctx)?,
                default: it.default_value.as_str().into(),
            },
            ActionKind::GenericKey(it) => Action::Text(text_entry(
                &it.descriptor_key,
                "generic_key",
                &it.descriptor_value,
            )),
            ActionKind::HeaderValueMatch(it) => Self::header_match(it, ctx)?,
            ActionKind::QueryParameterValueMatch(it) => Self::query_match(it, ctx)?,
            ActionKind::Metadata(it) => Action::Metadata(MetadataAction::compile(it)),
            ActionKind::Extension(it) if it.typed_config.type_name() == expression::MESSAGE => {
                let entry = ExpressionEntry::compile(&it.typed_config, ctx)?;
                Action::Expression(Box::new(entry))
            }
            ActionKind::Extension(it) => Action::Input {
                input: Box::new(TextInput::compile(&it.name, &it.typed_config, ctx)?),
                key: it.name.as_str().into(),
            },
        })
    }

    fn header_match(it: &HeaderValueMatch, ctx: &mut Ctx) -> Result<Self, Refused> {
        let matchers: Vec<_> = it
            .headers
            .iter()
            .map(|matcher| CompiledHeaderMatcher::compile(matcher, ctx))
            .collect();
        Ok(Action::HeaderMatch {
            matchers: matchers.into_iter().collect::<Result<_, _>>()?,
            expected: it.expect_match.unwrap_or(true),
            entry: text_entry(&it.descriptor_key, "header_match", &it.descriptor_value),
        })
    }

    fn query_match(it: &QueryParameterValueMatch, ctx: &mut Ctx) -> Result<Self, Refused> {
        let matchers: Vec<_> = it
            .query_parameters
            .iter()
            .map(|matcher| CompiledQueryParameterMatcher::compile(matcher, ctx))
            .collect();
        Ok(Action::QueryMatch {
            matchers: matchers.into_iter().collect::<Result<_, _>>()?,
            expected: it.expect_match.unwrap_or(true),
            entry: text_entry(&it.descriptor_key, "query_match", &it.descriptor_value),
        })
    }

    /// What it adds of a request.
    pub(super) fn of(&self, asked: &Asked<'_>) -> Added {
        match self {
            Action::SourceCluster => Added::Entry(Entry::new(
                "source_cluster",
                asked.service_cluster.as_bytes(),
            )),
            Action::DestinationCluster => Added::or_absent(
                (asked.destination).map(|cluster| Entry::new("destination_cluster", cluster)),
                false,
            ),
            Action::RequestHeader {
                name,
                key,
                skip_if_absent,
            } => {
                let name = name.as_ref();
                let value = name.and_then(|name| asked.request.get_all_named(name).next());
                let entry = value.map(|value| Entry::new(key.clone(), value));
                Added::or_absent(entry, *skip_if_absent)
            }
            Action::QueryParameter {
                name,
                key,
                skip_if_absent,
            } => {
                let value = query_parameter(asked.request, name);
                let entry = value.map(|value| Entry::new(key.clone(), &value));
                Added::or_absent(entry, *skip_if_absent)
            }
            Action::RemoteAddress
            | Action::MaskedRemoteAddress { .. }
            | Action::RemoteAddressMatch { .. } => Added::or_absent(self.of_client(asked), false),
            Action::Text(entry) => Added::Entry(entry.clone()),
            Action::HeaderMatch {
                matchers,
                expected,
                entry,
            } => {
                let matches = matchers.iter().all(|it| it.matches(asked.request));
                Added::or_absent((matches == *expected).then(|| entry.clone()), false)
            }
            Action::QueryMatch {
                matchers,
                expected,
                entry,
            } => {
                let matches = matchers
                    .iter()
                    .all(|it| it.matches(query_parameter(asked.request, it.name()).as_deref()));
                Added::or_absent((matches == *expected).then(|| entry.clone()), false)
            }
            Action::Metadata(action) => action.of(asked),
            Action::Expression(entry) => entry.of(asked),
            Action::Input { input, key } => {
                match input.text(&MatchData::of_request(asked.request, asked.info)) {
                    None => Added::NoDescriptor,
                    Some(Cow::Borrowed(b"")) => Added::Nothing,
                    Some(text) if text.is_empty() => Added::Nothing,
                    Some(text) => Added::Entry(Entry::new(key.clone(), &text)),
                }
            }
        }
    }

    /// What it adds of the client's address, if there is one.
    fn of_client(&self, asked: &Asked<'_>) -> Option<Entry> {
        let address = asked.info.downstream_remote_address()?;
        let ip = address.ip()?;
        match self {
            Action::RemoteAddress => Some(Entry::new("remote_address", ip.to_string().as_bytes())),
            Action::MaskedRemoteAddress { v4_bits, v6_bits } => {
                let network = network(ip, *v4_bits, *v6_bits);
                Some(Entry::new("masked_remote_address", network.as_bytes()))
            }
            Action::RemoteAddressMatch {
                matcher,
                key,
                value,
                default,
            } if matcher.matches(address) => {
                let mut value = asked.formatted(value);
                if value.is_empty() {
                    value.extend_from_slice(default.as_bytes());
                }
                (!value.is_empty()).then(|| Entry::new(key.clone(), &value))
            }
            _ => None,
        }
    }
}

impl MetadataAction {
    fn compile(message: &MetaData) -> Self {
        let path = message.metadata_key.path();
        MetadataAction {
            source: message.source,
            namespace: message.metadata_key.key.as_str().into(),
            path: path.collect(),
            key: message.descriptor_key.as_str().into(),
            default: message.default_value.as_str().into(),
            skip_if_absent: message.skip_if_absent,
        }
    }

    fn of(&self, asked: &Asked<'_>) -> Added {
        let info = asked.info;
        let metadata: Option<&Metadata> = match self.source {
            MetadataSource::Dynamic => info.dynamic_metadata(),
            MetadataSource::RouteEntry => info.route_metadata.as_deref(),
            MetadataSource::ClusterEntry => info
                .upstream_cluster
                .as_deref()
                .map(|cluster| &cluster.metadata),
            MetadataSource::ClusterLocalityEntry => None,
        };
        let value = match metadata.and_then(|it| it.value(&self.namespace, &self.path)) {
            Some(Value::String(text)) if !text.is_empty() => text,
            _ => &self.default,
        };
        let entry = (!value.is_empty()).then(|| Entry::new(self.key.clone(), value.as_bytes()));
        Added::or_absent(entry, self.skip_if_absent)
    }
}

/// `10.1.0.0/16`.
fn network(ip: IpAddr, v4_bits: u32, v6_bits: u32) -> String {
    match ip {
        IpAddr::V4(ip) => {
            let bits = v4_bits.min(V4_BITS);
            let mask = u32::MAX.checked_shl(V4_BITS - bits).unwrap_or(0);
            format!("{}/{bits}", std::net::Ipv4Addr::from(u32::from(ip) & mask))
        }
        IpAddr::V6(ip) => {
            let bits = v6_bits.min(V6_BITS);
            let mask = u128::MAX.checked_shl(V6_BITS - bits).unwrap_or(0);
            format!("{}/{bits}", std::net::Ipv6Addr::from(u128::from(ip) & mask))
        }
    }
}
