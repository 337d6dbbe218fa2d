//! `Cluster.OriginalDstLbConfig`.

use std::time::Duration;

use nuncio_config::typed::{Ctx, Refused, Spanned};
use nuncio_config::{message, one_of};
use nuncio_contract::headers::HeaderName;

use super::Cluster;
use crate::original_dst::{MetadataPlace, OriginalDstSettings};

/// Where a request names its host, unless the cluster says where.
const HEADER: &str = "x-envoy-original-dst-host";

message! {
    /// Where addresses come from.
    pub(crate) struct OriginalDstLbConfig: "envoy.config.cluster.v3.Cluster.OriginalDstLbConfig" {
        pub(crate) use_http_header: bool,
        pub(crate) http_header_name: Spanned<String>,
        pub(crate) upstream_port_override: Option<u32>,
        pub(crate) metadata_key: Option<MetadataKey>,
    }
}

message! {
    /// A place in metadata.
    pub(crate) struct MetadataKey: "envoy.type.metadata.v3.MetadataKey" {
        pub(crate) key: String,
        pub(crate) path: Vec<PathSegment>,
    }
}

message! {
    /// One step on the way to it.
    pub(crate) struct PathSegment: "envoy.type.metadata.v3.MetadataKey.PathSegment" {
        pub(crate) oneof segment: Segment,
    }
}

one_of! {
    /// Its kinds.
    pub(crate) enum Segment {
        key => Key(String),
    }
}

/// Where the addresses of a cluster's hosts come from.
pub(super) fn read(cluster: &Cluster, ctx: &mut Ctx) -> Result<OriginalDstSettings, Refused> {
    let config = cluster.original_dst_lb_config.as_ref();
    Ok(OriginalDstSettings {
        header: match config {
            Some(config) => config.header(ctx)?,
            None => None,
        },
        metadata: config
            .and_then(|config| config.metadata_key.as_ref())
            .map(MetadataKey::compile),
        port: config
            .and_then(|config| config.upstream_port_override)
            .and_then(|port| u16::try_from(port).ok()),
        cleanup_interval: cluster.cleanup_interval.unwrap_or(Duration::from_secs(5)),
    })
}

impl OriginalDstLbConfig {
    fn header(&self, ctx: &mut Ctx) -> Result<Option<HeaderName>, Refused> {
        let written = &self.http_header_name;
        let name = match (self.use_http_header, written.value.as_str()) {
            (false, "") => return Ok(None),
            (false, name) => {
                let text = format!(
                    "ORIGINAL_DST cluster: invalid config http_header_name={name} and use_http_header is false. Set use_http_header to true if http_header_name is desired."
                );
                ctx.error(written.span, text);
                return Err(Refused);
            }
            (true, "") => HEADER,
            (true, name) => name,
        };
        Ok(Some(HeaderName::to_look_up(name)))
    }
}

impl MetadataKey {
    pub(super) fn compile(&self) -> MetadataPlace {
        let key = |segment: &PathSegment| {
            let Segment::Key(key) = &segment.segment;
            key.as_str().into()
        };
        MetadataPlace {
            namespace: self.key.as_str().into(),
            keys: self.path.iter().map(key).collect(),
        }
    }
}
