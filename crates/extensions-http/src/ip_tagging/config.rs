//! The messages of IP tagging, compiled once.

use std::sync::Arc;

use nuncio_config::runtime::{Fraction, RuntimeKey};
use nuncio_config::typed::{Any, Ctx, Refused, Spanned};
use nuncio_config::{enumeration, message};
use nuncio_contract::data_source::DataSource;
use nuncio_contract::headers::HeaderName;
use nuncio_contract::http_filter::HttpFilterConfig;
use nuncio_contract::matching::CidrRange;

use super::file;
use super::tags::Tags;

const ENABLED: &str = "ip_tagging.http_filter_enabled";

message! {
    /// The filter's config.
    pub(super) struct IpTagging: "envoy.extensions.filters.http.ip_tagging.v3.IPTagging" {
        request_type: RequestType,
        pub(super) ip_tags: Vec<IpTag>,
        ip_tag_header: Option<IpTagHeader>,
        ip_tags_datasource: Option<DataSource>,
    }
}

enumeration! {
    /// Which requests are looked at.
    pub(super) enum RequestType: "envoy.extensions.filters.http.ip_tagging.v3.IPTagging.RequestType" {
        BOTH => Both,
        INTERNAL => Internal,
        EXTERNAL => External,
    }
}

message! {
    /// A tag, and the addresses that have it.
    pub(super) struct IpTag: "envoy.extensions.filters.http.ip_tagging.v3.IPTagging.IPTag" {
        pub(super) ip_tag_name: String,
        pub(super) ip_list: Vec<CidrRange>,
    }
}

message! {
    /// Where the tags go.
    struct IpTagHeader: "envoy.extensions.filters.http.ip_tagging.v3.IPTagging.IpTagHeader" {
        header: Spanned<String>,
        action: HeaderAction,
    }
}

enumeration! {
    /// What becomes of what is there already.
    pub(super) enum HeaderAction:
        "envoy.extensions.filters.http.ip_tagging.v3.IPTagging.IpTagHeader.HeaderAction" {
        SANITIZE => Sanitize,
        APPEND_IF_EXISTS_OR_ADD => Append,
    }
}

/// The chain's config, shared by the workers.
pub(super) struct ChainConfig(pub(super) Arc<Settings>);

/// The same.
pub(super) struct Settings {
    requests: RequestType,
    enabled: RuntimeKey,
    pub(super) header: Option<(HeaderName, HeaderAction)>,
    pub(super) tags: Tags,
}

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn HttpFilterConfig>, Refused> {
    let message: IpTagging = any.decode(ctx)?;
    let span = message.span();
    let tags = match (message.ip_tags.is_empty(), &message.ip_tags_datasource) {
        (false, None) => Tags::compile(&message.ip_tags).map_err(|(span, why)| {
            ctx.error(span, why);
            Refused
        })?,
        (true, Some(source)) => file::read(any, source, ctx)?,
        (false, Some(_)) => {
            let text = "Only one of ip_tags or ip_tags_datasource can be configured.";
            ctx.error(span, text);
            return Err(Refused);
        }
        (true, None) => {
            let text = "HTTP IP Tagging Filter requires either ip_tags or ip_tags_datasource to be specified.";
            ctx.error(span, text);
            return Err(Refused);
        }
    };
    let header = message.ip_tag_header.as_ref();
    let header = header.map(|header| header.compile(ctx)).transpose()?;
    Ok(Arc::new(ChainConfig(Arc::new(Settings {
        requests: message.request_type,
        enabled: ctx.runtime.key(ENABLED),
        header,
        tags,
    }))))
}

impl IpTagHeader {
    fn compile(&self, ctx: &mut Ctx) -> Result<(HeaderName, HeaderAction), Refused> {
        let name = HeaderName::parse(&self.header).map_err(|_| {
            let text = format!("`{}` is no name of a header", self.header.value);
            ctx.error(self.header.span, text);
            Refused
        })?;
        Ok((name, self.action))
    }
}

impl Settings {
    /// Whether a request is looked at, by where it comes from and by chance.
    pub(super) fn looks_at(&self, is_internal: bool, random: impl FnOnce() -> u64) -> bool {
        let is_meant = match self.requests {
            RequestType::Both => true,
            RequestType::Internal => is_internal,
            RequestType::External => !is_internal,
        };
        let share = self.enabled.fraction(Fraction::ALL);
        is_meant && (share == Fraction::ALL || share.chooses(random()))
    }
}
