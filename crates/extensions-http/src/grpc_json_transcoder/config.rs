//! The messages of the transcoder.

use std::sync::Arc;

use nuncio_config::typed::{Any, Ctx, Refused, Spanned};
use nuncio_config::{enumeration, message, one_of};
use nuncio_contract::http_filter::HttpFilterConfig;
use nuncio_contract::level_config::LevelConfig;
use nuncio_contract::registry::RouteFilterConfig;
use nuncio_transcoding::descriptor::Pool;
use nuncio_transcoding::request::Options;
use nuncio_transcoding::response::Print;
use nuncio_transcoding::template::{TableOptions, Unescape};

use super::methods::Methods;

pub(super) const MESSAGE: &str =
    "envoy.extensions.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder";

/// How large descriptors may be.
const MAX_DESCRIPTOR_BYTES: u64 = 64 << 20;

message! {
    /// The filter's config, and a route's.
    pub(super) struct GrpcJsonTranscoder: "envoy.extensions.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder" {
        oneof descriptor_set: DescriptorSet,
        services: Vec<String>,
        print_options: Option<PrintOptions>,
        match_incoming_request_route: bool,
        ignored_query_parameters: Vec<String>,
        auto_mapping: bool,
        ignore_unknown_query_parameters: bool,
        convert_grpc_status: bool,
        url_unescape_spec: UnescapeSpec,
        query_param_unescape_plus: bool,
        match_unregistered_custom_verb: bool,
        request_validation_options: Option<ValidationOptions>,
        case_insensitive_enum_parsing: bool,
        max_request_body_size: Option<u32>,
        max_response_body_size: Option<u32>,
        capture_unknown_query_parameters: bool,
    }
}

one_of! {
    /// Where the descriptors are.
    pub(super) enum DescriptorSet {
        proto_descriptor => File(Spanned<String>),
        proto_descriptor_bin => Bytes(Vec<u8>),
    }
}

message! {
    /// How JSON is written.
    pub(super) struct PrintOptions:
        "envoy.extensions.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder.PrintOptions" {
        add_whitespace: bool,
        always_print_primitive_fields: bool,
        always_print_enums_as_ints: bool,
        preserve_proto_field_names: bool,
        stream_newline_delimited: bool,
        stream_sse_style_delimited: bool,
    }
}

message! {
    /// What is refused instead of being passed on.
    pub(super) struct ValidationOptions:
        "envoy.extensions.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder.RequestValidationOptions" {
        reject_unknown_method: bool,
        reject_unknown_query_parameters: bool,
        reject_binding_body_field_collisions: bool,
    }
}

enumeration! {
    /// What is decoded of variables with several segments.
    pub(super) enum UnescapeSpec:
        "envoy.extensions.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder.UrlUnescapeSpec" {
        ALL_CHARACTERS_EXCEPT_RESERVED => AllButReserved,
        ALL_CHARACTERS_EXCEPT_SLASH => AllButSlash,
        ALL_CHARACTERS => All,
    }
}

/// How the messages of a stream are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delimiter {
    /// A list.
    List,
    /// A line each.
    Lines,
    /// An event each, as in `text/event-stream`.
    Events,
}

/// The compiled config.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) pool: Arc<Pool>,
    pub(super) methods: Methods,
    pub(super) print: Print,
    pub(super) delimiter: Delimiter,
    pub(super) keeps_route: bool,
    pub(super) ignored_parameters: Vec<String>,
    pub(super) ignores_unknown_parameters: bool,
    pub(super) captures_unknown_parameters: bool,
    pub(super) plus_is_blank: bool,
    pub(super) refuses_unknown_methods: bool,
    pub(super) refuses_unknown_parameters: bool,
    pub(super) refuses_collisions: bool,
    pub(super) converts_status: bool,
    pub(super) reading: Options,
    pub(super) most_request_bytes: Option<u32>,
    pub(super) most_response_bytes: Option<u32>,
}

/// The chain's config, shared by the workers.
pub(super) struct ChainConfig(pub(super) Arc<Settings>);

/// What a level of the route table has in the chain's place.
pub(super) struct Level(pub(super) Arc<Settings>);

impl LevelConfig for Level {}

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn HttpFilterConfig>, Refused> {
    Ok(Arc::new(ChainConfig(Arc::new(compile(any, ctx)?))))
}

pub(super) fn parse_per_route(any: &Any, ctx: &mut Ctx) -> Result<RouteFilterConfig, Refused> {
    Ok(Arc::new(Level(Arc::new(compile(any, ctx)?))))
}

fn descriptors(message: &GrpcJsonTranscoder, ctx: &mut Ctx) -> Result<Pool, Refused> {
    let bytes = match &message.descriptor_set {
        // Without services nothing is transcoded, and no descriptors are needed.
        _ if message.services.is_empty() => Vec::new(),
        DescriptorSet::Bytes(bytes) => bytes.clone(),
        DescriptorSet::File(path) => {
            let bytes = ctx.read_file(&path.value, MAX_DESCRIPTOR_BYTES + 1);
            bytes.map_err(|error| {
                ctx.error(path.span, format!("Invalid path: {}", path.value))
                    .note(error.to_string());
                Refused
            })?
        }
    };
    let is_small = u64::try_from(bytes.len()).is_ok_and(|size| size <= MAX_DESCRIPTOR_BYTES);
    let pool = match is_small {
        true if message.convert_grpc_status => Pool::read_with_status(&bytes),
        true => Pool::read(&bytes),
        false => Err(format!(
            "the descriptors are larger than {MAX_DESCRIPTOR_BYTES} bytes"
        )),
    };
    pool.map_err(|words| {
        ctx.error(message.span(), format!("transcoding_filter: {words}"));
        Refused
    })
}

pub(super) fn compile(any: &Any, ctx: &mut Ctx) -> Result<Settings, Refused> {
    let message: GrpcJsonTranscoder = any.decode(ctx)?;
    let pool = Arc::new(descriptors(&message, ctx)?);
    let table = TableOptions {
        unescape: match message.url_unescape_spec {
            UnescapeSpec::AllButReserved => Unescape::AllButReserved,
            UnescapeSpec::AllButSlash => Unescape::AllButSlash,
            UnescapeSpec::All => Unescape::All,
        },
        any_verb: message.match_unregistered_custom_verb,
    };
    let methods = Methods::compile(&pool, &message.services, table, message.auto_mapping);
    let methods = methods.map_err(|words| {
        ctx.error(message.span(), format!("transcoding_filter: {words}"));
        Refused
    })?;
    let print = message.print_options;
    let print = print.as_ref();
    let validation = message.request_validation_options;
    let validation = validation.as_ref();
    Ok(Settings {
        pool,
        methods,
        delimiter: match print {
            Some(print) if print.stream_sse_style_delimited => Delimiter::Events,
            Some(print) if print.stream_newline_delimited => Delimiter::Lines,
            _ => Delimiter::List,
        },
        print: print.map_or_else(Print::default, |print| Print {
            whitespace: print.add_whitespace,
            defaults: print.always_print_primitive_fields,
            enums_as_numbers: print.always_print_enums_as_ints,
            file_names: print.preserve_proto_field_names,
        }),
        keeps_route: message.match_incoming_request_route,
        ignored_parameters: message.ignored_query_parameters,
        ignores_unknown_parameters: message.ignore_unknown_query_parameters,
        captures_unknown_parameters: message.capture_unknown_query_parameters,
        plus_is_blank: message.query_param_unescape_plus,
        refuses_unknown_methods: validation.is_some_and(|options| options.reject_unknown_method),
        refuses_unknown_parameters: validation
            .is_some_and(|options| options.reject_unknown_query_parameters),
        refuses_collisions: validation
            .is_some_and(|options| options.reject_binding_body_field_collisions),
        converts_status: message.convert_grpc_status,
        reading: Options {
            any_case_enums: message.case_insensitive_enum_parsing,
        },
        most_request_bytes: message.max_request_body_size,
        most_response_bytes: message.max_response_body_size,
    })
}
