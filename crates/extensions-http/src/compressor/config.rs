//! The messages of the compressor filter.

use std::sync::Arc;

use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_config::{message, one_of};
use nuncio_contract::http_filter::HttpFilterConfig;
use nuncio_contract::level_config::LevelConfig;
use nuncio_contract::matching::{CompiledStringMatcher, RuntimeFeatureFlag, StringMatcher};
use nuncio_contract::registry::RouteFilterConfig;

use crate::compression::{CompressorLibrary, LibraryMessage};

const DEFAULT_LEAST_BYTES: u64 = 30;

/// What is compressed where no list says so.
const DEFAULT_CONTENT_TYPES: &[&str] = &[
    "text/html",
    "text/plain",
    "text/css",
    "application/javascript",
    "application/x-javascript",
    "text/javascript",
    "text/x-javascript",
    "text/ecmascript",
    "text/js",
    "text/jscript",
    "text/x-js",
    "application/ecmascript",
    "application/x-json",
    "application/xml",
    "application/json",
    "image/svg+xml",
    "text/xml",
    "application/xhtml+xml",
    "application/grpc-web",
    "application/grpc-web+proto",
];

message! {
    /// The filter's config.
    pub(super) struct Compressor: "envoy.extensions.filters.http.compressor.v3.Compressor" {
        content_length: Option<u32>,
        content_type: Vec<String>,
        disable_on_etag_header: bool,
        remove_accept_encoding_header: bool,
        runtime_enabled: Option<RuntimeFeatureFlag>,
        compressor_library: LibraryMessage,
        request_direction_config: Option<RequestDirection>,
        response_direction_config: Option<ResponseDirection>,
        choose_first: bool,
    }
}

message! {
    /// What both directions have.
    pub(super) struct CommonDirection:
        "envoy.extensions.filters.http.compressor.v3.Compressor.CommonDirectionConfig" {
        enabled: Option<RuntimeFeatureFlag>,
        min_content_length: Option<u32>,
        content_type: Vec<String>,
        content_type_matcher: Vec<StringMatcher>,
    }
}

message! {
    /// Requests.
    pub(super) struct RequestDirection:
        "envoy.extensions.filters.http.compressor.v3.Compressor.RequestDirectionConfig" {
        common_config: Option<CommonDirection>,
    }
}

message! {
    /// Responses.
    pub(super) struct ResponseDirection:
        "envoy.extensions.filters.http.compressor.v3.Compressor.ResponseDirectionConfig" {
        common_config: Option<CommonDirection>,
        disable_on_etag_header: bool,
        weaken_etag_on_compress: bool,
        remove_accept_encoding_header: bool,
        uncompressible_response_codes: Vec<u32>,
        status_header_enabled: bool,
    }
}

message! {
    /// A route's own config.
    pub(super) struct CompressorPerRoute:
        "envoy.extensions.filters.http.compressor.v3.CompressorPerRoute" {
        oneof r#override: Override,
    }
}

one_of! {
    /// What a route changes.
    pub(super) enum Override {
        disabled => Disabled(bool),
        overrides => Overrides(Overrides),
    }
}

message! {
    /// What takes the place of the chain's.
    pub(super) struct Overrides: "envoy.extensions.filters.http.compressor.v3.CompressorOverrides" {
        response_direction_config: Option<ResponseOverrides>,
        compressor_library: Option<LibraryMessage>,
    }
}

message! {
    /// The same of responses.
    pub(super) struct ResponseOverrides:
        "envoy.extensions.filters.http.compressor.v3.ResponseDirectionOverrides" {
        remove_accept_encoding_header: Option<bool>,
    }
}

/// The compiled config of a chain.
pub(super) struct Chain {
    pub(super) library: CompressorLibrary,
    /// The library's name in the config.
    pub(super) name: Box<str>,
    pub(super) request: Option<Direction>,
    pub(super) response: Response,
    pub(super) is_first_choice: bool,
}

/// The types of bodies that are compressed.
enum Types {
    Named(Box<[Box<str>]>),
    Matched(Box<[CompiledStringMatcher]>),
}

/// What is compressed in a direction.
pub(super) struct Direction {
    enabled: Option<RuntimeFeatureFlag>,
    pub(super) least_bytes: u64,
    content_types: Types,
}

/// How responses are compressed.
pub(super) struct Response {
    pub(super) direction: Direction,
    pub(super) etag: EtagRule,
    pub(super) removes_accept_encoding: bool,
    pub(super) uncompressible_statuses: Box<[u16]>,
    pub(super) tells_status: bool,
    /// Whether its counters stand apart from those that both directions had once.
    pub(super) has_own_scope: bool,
}

/// What becomes of a response with an `etag`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EtagRule {
    /// A strong one is removed.
    RemoveStrong,
    /// A strong one is made a weak one.
    Weaken,
    /// It is not compressed.
    LeaveAlone,
}

/// A route's own.
pub(super) struct Level {
    /// Whether responses are compressed.
    pub(super) enabled: Option<bool>,
    pub(super) removes_accept_encoding: Option<bool>,
    pub(super) library: Option<CompressorLibrary>,
}

impl LevelConfig for Level {}

/// The chain's config, shared by the workers.
pub(super) struct ChainConfig(pub(super) Arc<Chain>);

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn HttpFilterConfig>, Refused> {
    let message: Compressor = any.decode(ctx)?;
    let library = CompressorLibrary::compile(&message.compressor_library, ctx)?;
    Ok(Arc::new(ChainConfig(Arc::new(Chain {
        library,
        name: message.compressor_library.name.as_str().into(),
        request: message.request(ctx)?,
        response: message.response(ctx)?,
        is_first_choice: message.choose_first,
    }))))
}

pub(super) fn parse_per_route(any: &Any, ctx: &mut Ctx) -> Result<RouteFilterConfig, Refused> {
    let overrides = match any.decode::<CompressorPerRoute>(ctx)?.r#override {
        Override::Disabled(is_disabled) => {
            return Ok(Arc::new(Level {
                enabled: Some(!is_disabled),
                removes_accept_encoding: None,
                library: None,
            }));
        }
        Override::Overrides(overrides) => overrides,
    };
    let response = overrides.response_direction_config.as_ref();
    let library = overrides.compressor_library.as_ref();
    let library = library.map(|library| CompressorLibrary::compile(library, ctx));
    Ok(Arc::new(Level {
        enabled: response.map(|_| true),
        removes_accept_encoding: response
            .and_then(|response| response.remove_accept_encoding_header),
        library: library.transpose()?,
    }))
}

impl Compressor {
    fn request(&self, ctx: &mut Ctx) -> Result<Option<Direction>, Refused> {
        let request = self.request_direction_config.as_ref();
        let request = request.map(|it| Direction::of(it.common_config.as_ref(), ctx));
        request.transpose()
    }

    /// The deprecated fields count only where there is no `response_direction_config`.
    fn response(&self, ctx: &mut Ctx) -> Result<Response, Refused> {
        let Some(own) = &self.response_direction_config else {
            let types = &self.content_type;
            return Ok(Response {
                direction: Direction::new(&self.runtime_enabled, self.content_length, types),
                etag: EtagRule::of(self.disable_on_etag_header, false),
                removes_accept_encoding: self.remove_accept_encoding_header,
                uncompressible_statuses: Box::default(),
                tells_status: false,
                has_own_scope: false,
            });
        };
        let statuses = own.uncompressible_response_codes.iter();
        Ok(Response {
            direction: Direction::of(own.common_config.as_ref(), ctx)?,
            etag: EtagRule::of(own.disable_on_etag_header, own.weaken_etag_on_compress),
            removes_accept_encoding: own.remove_accept_encoding_header,
            uncompressible_statuses: statuses
                .filter_map(|status| u16::try_from(*status).ok())
                .collect(),
            tells_status: own.status_header_enabled,
            has_own_scope: true,
        })
    }
}

impl EtagRule {
    fn of(disable: bool, weaken: bool) -> Self {
        match (disable, weaken) {
            (_, true) => EtagRule::Weaken,
            (true, false) => EtagRule::LeaveAlone,
            (false, false) => EtagRule::RemoveStrong,
        }
    }
}

impl Direction {
    fn of(common: Option<&CommonDirection>, ctx: &mut Ctx) -> Result<Self, Refused> {
        let Some(common) = common else {
            return Ok(Self::new(&None, None, &[]));
        };
        let least = common.min_content_length;
        let mut direction = Self::new(&common.enabled, least, &common.content_type);
        let matchers = common.content_type_matcher.iter();
        let matchers = matchers.map(|it| CompiledStringMatcher::compile(it, ctx));
        let matchers = matchers.collect::<Result<Box<[_]>, _>>()?;
        if !matchers.is_empty() {
            direction.content_types = Types::Matched(matchers);
        }
        Ok(direction)
    }

    /// As in Envoy, no length at all is the default one.
    fn new(enabled: &Option<RuntimeFeatureFlag>, least: Option<u32>, types: &[String]) -> Self {
        let least = least.filter(|bytes| *bytes > 0);
        Direction {
            enabled: enabled.clone(),
            least_bytes: least.map_or(DEFAULT_LEAST_BYTES, u64::from),
            content_types: Types::Named(match types {
                [] => DEFAULT_CONTENT_TYPES
                    .iter()
                    .copied()
                    .map(Box::from)
                    .collect(),
                types => types.iter().map(|name| name.as_str().into()).collect(),
            }),
        }
    }

    /// Whether anything is compressed.
    pub(super) fn is_on(&self) -> bool {
        self.enabled.as_ref().is_none_or(RuntimeFeatureFlag::is_on)
    }

    /// Whether this type is, which stands without parameters.
    pub(super) fn has_type(&self, content_type: &[u8]) -> bool {
        match &self.content_types {
            Types::Named(names) => {
                let mut names = names.iter();
                names.any(|name| name.as_bytes().eq_ignore_ascii_case(content_type))
            }
            Types::Matched(matchers) => matchers.iter().any(|it| it.matches(content_type)),
        }
    }
}
