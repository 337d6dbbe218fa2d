//! The messages of the decompressor filter.

use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_contract::headers::HeaderName;
use nuncio_contract::http_filter::HttpFilterConfig;
use nuncio_contract::matching::RuntimeFeatureFlag;

use crate::compression::{DecompressorLibrary, LibraryMessage};

message! {
    /// The filter's config.
    pub(super) struct Decompressor: "envoy.extensions.filters.http.decompressor.v3.Decompressor" {
        decompressor_library: LibraryMessage,
        request_direction_config: Option<RequestDirection>,
        response_direction_config: Option<ResponseDirection>,
    }
}

message! {
    /// What both directions have.
    pub(super) struct CommonDirection:
        "envoy.extensions.filters.http.decompressor.v3.Decompressor.CommonDirectionConfig" {
        enabled: Option<RuntimeFeatureFlag>,
        ignore_no_transform_header: bool,
    }
}

message! {
    /// Requests.
    pub(super) struct RequestDirection:
        "envoy.extensions.filters.http.decompressor.v3.Decompressor.RequestDirectionConfig" {
        common_config: Option<CommonDirection>,
        advertise_accept_encoding: Option<bool>,
    }
}

message! {
    /// Responses.
    pub(super) struct ResponseDirection:
        "envoy.extensions.filters.http.decompressor.v3.Decompressor.ResponseDirectionConfig" {
        common_config: Option<CommonDirection>,
    }
}

/// The compiled config of a chain.
pub(super) struct Chain {
    pub(super) library: DecompressorLibrary,
    /// The library's name in the config.
    pub(super) name: Box<str>,
    pub(super) request: Direction,
    pub(super) response: Direction,
    pub(super) advertises: bool,
    pub(super) trailers: Option<TrailerNames>,
}

/// What is decompressed in a direction.
#[derive(Default)]
pub(super) struct Direction {
    enabled: Option<RuntimeFeatureFlag>,
    pub(super) ignores_no_transform: bool,
}

/// The trailers that tell how many bytes there were.
pub(super) struct TrailerNames {
    pub(super) compressed: HeaderName,
    pub(super) uncompressed: HeaderName,
}

/// The chain's config, shared by the workers.
pub(super) struct ChainConfig(pub(super) Arc<Chain>);

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn HttpFilterConfig>, Refused> {
    let message: Decompressor = any.decode(ctx)?;
    let library = &message.decompressor_library;
    let request = message.request_direction_config.as_ref();
    let response = message.response_direction_config.as_ref();
    let advertises = request.and_then(|request| request.advertise_accept_encoding);
    Ok(Arc::new(ChainConfig(Arc::new(Chain {
        library: DecompressorLibrary::compile(library, ctx)?,
        name: library.name.as_str().into(),
        request: Direction::of(request.and_then(|request| request.common_config.as_ref())),
        response: Direction::of(response.and_then(|response| response.common_config.as_ref())),
        advertises: advertises.unwrap_or(true),
        trailers: TrailerNames::of(library, ctx),
    }))))
}

impl Direction {
    fn of(common: Option<&CommonDirection>) -> Self {
        common.map_or_else(Self::default, |common| Direction {
            enabled: common.enabled.clone(),
            ignores_no_transform: common.ignore_no_transform_header,
        })
    }

    /// Whether anything is decompressed.
    pub(super) fn is_on(&self) -> bool {
        self.enabled.as_ref().is_none_or(RuntimeFeatureFlag::is_on)
    }
}

impl TrailerNames {
    /// None if the library has a name that headers can't have.
    fn of(library: &LibraryMessage, ctx: &mut Ctx) -> Option<Self> {
        let name = |bytes: &str| {
            let name = format!("x-envoy-decompressor-{}-{bytes}-bytes", library.name);
            HeaderName::parse(&name.to_ascii_lowercase()).ok()
        };
        let names = name("compressed").zip(name("uncompressed"));
        if names.is_none() {
            let text =
                "the name is none that a trailer could have, so that there will be no trailers";
            ctx.warning(library.span(), text);
        }
        let (compressed, uncompressed) = names?;
        Some(TrailerNames {
            compressed,
            uncompressed,
        })
    }
}
