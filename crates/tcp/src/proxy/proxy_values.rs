//! `proxy_protocol_tlvs`: values that hosts are told in a PROXY header, beside those of the client's own header, or
//! instead of them.
//!
//! They are made anew for each attempt to connect. Without a header of the client all are added, whatever the policy.

use nuncio_config::enumeration;
use nuncio_config::typed::{Ctx, Refused};
use nuncio_contract::formatter::FormatContext;
use nuncio_contract::proxy_values::{ProxyValueSources, TlvEntry};
use nuncio_contract::stream_info::ProxyValues;

enumeration! {
    /// What becomes of values where the client's PROXY header had some.
    pub(super) enum MergePolicy: "envoy.extensions.filters.network.tcp_proxy.v3.ProxyProtocolTlvMergePolicy" {
        ADD_IF_ABSENT => IfAbsent,
        OVERWRITE_BY_TYPE_IF_EXISTS_OR_ADD => Overwrite,
        APPEND_IF_EXISTS_OR_ADD => Append,
    }
}

/// The values, and what becomes of the client's.
pub(super) struct AddedValues {
    sources: ProxyValueSources,
    policy: MergePolicy,
}

impl AddedValues {
    pub(super) fn compile(
        entries: &[TlvEntry],
        policy: MergePolicy,
        ctx: &mut Ctx,
    ) -> Result<Option<Box<Self>>, Refused> {
        let sources = ProxyValueSources::compile(entries, ctx)?;
        Ok((!sources.is_empty()).then(|| Box::new(AddedValues { sources, policy })))
    }

    /// What the host of a connection is told.
    pub(super) fn of(&self, context: &FormatContext<'_>) -> ProxyValues {
        let of_client = context.stream_info.connection.proxy_values.as_deref();
        merged(of_client, self.policy, || self.sources.make(context))
    }
}

fn merged(
    of_client: Option<&ProxyValues>,
    policy: MergePolicy,
    make: impl FnOnce() -> ProxyValues,
) -> ProxyValues {
    let Some(of_client) = of_client else {
        return make();
    };
    match policy {
        MergePolicy::IfAbsent => of_client.clone(),
        MergePolicy::Append => {
            let mut values = of_client.clone();
            values.0.extend(make().0);
            values
        }
        MergePolicy::Overwrite => {
            let mut values = make();
            let kept = of_client.0.iter().filter(|(kind, _)| !values.has(*kind));
            let kept: Vec<_> = kept.cloned().collect();
            values.0.extend(kept);
            values
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(all: &[(u8, &str)]) -> ProxyValues {
        let each = all.iter();
        ProxyValues(
            each.map(|(kind, text)| (*kind, text.as_bytes().into()))
                .collect(),
        )
    }

    #[test]
    fn a_policy_says_what_becomes_of_the_clients_values() {
        let client = values(&[(1, "a"), (2, "b")]);
        let own = || values(&[(2, "c"), (3, "d")]);
        let with = |policy| merged(Some(&client), policy, own);
        assert_eq!(with(MergePolicy::IfAbsent), client);
        let all = values(&[(1, "a"), (2, "b"), (2, "c"), (3, "d")]);
        assert_eq!(with(MergePolicy::Append), all);
        let overwritten = values(&[(2, "c"), (3, "d"), (1, "a")]);
        assert_eq!(with(MergePolicy::Overwrite), overwritten);
        assert_eq!(merged(None, MergePolicy::IfAbsent, own), own());
    }
}
