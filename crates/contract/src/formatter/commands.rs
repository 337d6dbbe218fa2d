//! From a command as written to its operator, with Envoy's checks.
//!
//! Commands are looked up by name at load only. Those that Envoy knows and Nuncio can't fill yet are refused
//! ([`NOT_SUPPORTED`]); unknown names get Envoy's text.

use std::sync::Arc;

use super::cel_operator::CelOperator;
use super::coalesce::Coalesce;
use super::command::{Argument, Command, Syntax};
use super::durations::CommonDuration;
use super::error::FormatError;
use super::file_content::FileContent;
use super::filter_state_value::FilterStateOperator;
use super::grpc_status::GrpcStatusStyle;
use super::metadata_value::{MetadataOperator, MetadataSource};
use super::operator::{AddressOf, Limited, Map, Operator, TimeSource};
use super::path::PathOperator;
use super::process;
use super::server_name::RequestedServerName;
use super::simple_commands::SIMPLE_COMMANDS;
use super::time_format::{TimeFormat, Zone};
use super::tls_commands::TLS_COMMANDS;
use crate::cel::Options as CelOptions;
use crate::headers::{HeaderName, Known};
use crate::secret_bytes::GenericSecret;

/// Commands of Envoy that have nothing behind them here yet: the value of one key of `x-forwarded-client-cert`.
const NOT_SUPPORTED: &[&str] = &["XFCC_VALUE"];

/// Commands that exist only where a formatter extension of a format brings them.
#[derive(Clone, Debug, Default)]
pub struct ExtensionCommands {
    /// `envoy.formatter.req_without_query`.
    pub(crate) req_without_query: bool,
    /// `envoy.formatter.file_content`.
    pub(crate) file_content: bool,
    /// The secrets of `envoy.formatter.generic_secret`, by their names in the format.
    pub(crate) secrets: Option<Vec<(Box<str>, GenericSecret)>>,
    /// What `envoy.formatter.cel` says that expressions may do.
    pub(crate) cel: CelOptions,
}

const NO_ARGUMENT: Syntax = Syntax {
    argument: Argument::None,
    length: false,
};
const OPTIONAL: Syntax = Syntax {
    argument: Argument::Optional,
    length: false,
};
const OPTIONAL_WITH_LENGTH: Syntax = Syntax {
    argument: Argument::Optional,
    length: true,
};
const REQUIRED: Syntax = Syntax {
    argument: Argument::Required,
    length: false,
};
const REQUIRED_WITH_LENGTH: Syntax = Syntax {
    argument: Argument::Required,
    length: true,
};

/// Compiles a command.
pub(super) fn compile(
    command: &Command<'_>,
    extensions: &ExtensionCommands,
) -> Result<Limited, FormatError> {
    let found = if command.name == "REQ_WITHOUT_QUERY" && extensions.req_without_query {
        Some(header(Map::Request, command.argument, true)?)
    } else if command.name == "SECRET"
        && let Some(secrets) = &extensions.secrets
    {
        Some(secret(command.argument, secrets)?)
    } else if command.name == "FILE_CONTENT" && extensions.file_content {
        Some(Operator::FileContent(FileContent::parse(command.argument)?))
    } else if let Some(is_typed) = is_typed_cel(command.name) {
        Some(cel(command, is_typed, extensions.cel)?)
    } else {
        find(command)?
    };
    let Some(operator) = found else {
        return Err(FormatError::new(format!(
            "Not supported field in StreamInfo: {}",
            command.name
        )));
    };
    Ok(Limited {
        operator,
        max_length: command.max_length,
    })
}

/// The operator of a built-in command; `None` if there is none of that name.
pub(super) fn find(command: &Command<'_>) -> Result<Option<Operator>, FormatError> {
    let simple = SIMPLE_COMMANDS
        .iter()
        .chain(TLS_COMMANDS)
        .find(|(name, _)| *name == command.name);
    if let Some((_, simple)) = simple {
        command.check(NO_ARGUMENT)?;
        return Ok(Some(Operator::Simple(*simple)));
    }
    if let Some(is_typed) = is_typed_cel(command.name) {
        return cel(command, is_typed, CelOptions::default()).map(Some);
    }
    if NOT_SUPPORTED.contains(&command.name) {
        return Err(FormatError::not_supported(command.name));
    }
    let Some((syntax, build)) = with_argument(command.name) else {
        return Ok(None);
    };
    command.check(syntax)?;
    build(command).map(Some)
}

fn secret(name: &str, secrets: &[(Box<str>, GenericSecret)]) -> Result<Operator, FormatError> {
    let found = secrets.iter().find(|(own, _)| **own == *name);
    let Some((_, secret)) = found else {
        return Err(FormatError::new(format!(
            "envoy.formatter.generic_secret: secret '{name}' is not configured in secret_configs"
        )));
    };
    Ok(Operator::Secret(secret.clone()))
}

fn is_typed_cel(name: &str) -> Option<bool> {
    match name {
        "CEL" => Some(false),
        "TYPED_CEL" => Some(true),
        _ => None,
    }
}

fn cel(
    command: &Command<'_>,
    is_typed: bool,
    options: CelOptions,
) -> Result<Operator, FormatError> {
    CelOperator::parse(command.argument, is_typed, options).map(Operator::Cel)
}

type Build = fn(&Command<'_>) -> Result<Operator, FormatError>;

fn with_argument(name: &str) -> Option<(Syntax, Build)> {
    let found: (Syntax, Build) = match name {
        "REQ" | "REQUEST_HEADER" | "STREAM_INFO_REQ" => (REQUIRED_WITH_LENGTH, |c| {
            header(Map::Request, c.argument, false)
        }),
        "RESP" | "RESPONSE_HEADER" => (REQUIRED_WITH_LENGTH, |c| {
            header(Map::Response, c.argument, false)
        }),
        "TRAILER" | "RESPONSE_TRAILER" => (REQUIRED_WITH_LENGTH, |c| {
            header(Map::ResponseTrailers, c.argument, false)
        }),
        "COMMON_DURATION" => (REQUIRED, |c| {
            CommonDuration::parse(c.argument).map(Operator::CommonDuration)
        }),
        "RESPONSE_CODE_DETAILS" => (OPTIONAL, |c| {
            Ok(Operator::ResponseCodeDetails {
                keep_white_space: c.argument == "ALLOW_WHITESPACES",
            })
        }),
        "DYNAMIC_METADATA" => (REQUIRED_WITH_LENGTH, |c| {
            metadata(MetadataSource::Dynamic, c)
        }),
        "CLUSTER_METADATA" => (REQUIRED, |c| metadata(MetadataSource::Cluster, c)),
        "UPSTREAM_METADATA" => (REQUIRED, |c| metadata(MetadataSource::UpstreamHost, c)),
        // Envoy checks nothing here but the type.
        "METADATA" => (OPTIONAL_WITH_LENGTH, |c| {
            MetadataOperator::parse_typed(c.argument).map(Operator::Metadata)
        }),
        "FILTER_STATE" => (OPTIONAL_WITH_LENGTH, |c| {
            FilterStateOperator::parse(false, c.argument).map(Operator::FilterState)
        }),
        "UPSTREAM_FILTER_STATE" => (OPTIONAL_WITH_LENGTH, |c| {
            FilterStateOperator::parse(true, c.argument).map(Operator::FilterState)
        }),
        "REQUESTED_SERVER_NAME" => (OPTIONAL, |c| {
            RequestedServerName::parse(c.argument).map(Operator::RequestedServerName)
        }),
        "GRPC_STATUS" => (OPTIONAL, |c| {
            GrpcStatusStyle::parse(c.argument).map(Operator::GrpcStatus)
        }),
        "GRPC_STATUS_NUMBER" => (NO_ARGUMENT, |_| {
            Ok(Operator::GrpcStatus(GrpcStatusStyle::Number))
        }),
        "PATH" => (OPTIONAL_WITH_LENGTH, |c| {
            PathOperator::parse(c.argument).map(Operator::Path)
        }),
        "QUERY_PARAM" => (REQUIRED_WITH_LENGTH, |c| {
            Ok(Operator::QueryParam(c.argument.as_bytes().into()))
        }),
        "QUERY_PARAMS" => (OPTIONAL_WITH_LENGTH, query_params),
        "COALESCE" => (REQUIRED_WITH_LENGTH, |c| {
            Coalesce::parse(c.argument).map(Operator::Coalesce)
        }),
        "ENVIRONMENT" => (REQUIRED_WITH_LENGTH, |c| {
            Ok(Operator::Fixed(process::environment(
                c.argument,
                c.max_length,
            )))
        }),
        "HOSTNAME" => (NO_ARGUMENT, |_| Ok(Operator::Fixed(process::hostname()))),
        _ => return time(name).or_else(|| address_without_port(name)),
    };
    Some(found)
}

fn time(name: &str) -> Option<(Syntax, Build)> {
    fn build(source: TimeSource, command: &Command<'_>) -> Result<Operator, FormatError> {
        let zone = if command.name.ends_with("_LOCAL") {
            Zone::Local
        } else {
            Zone::Utc
        };
        let format = Arc::new(TimeFormat::parse(command.argument, zone)?);
        Ok(Operator::Time { source, format })
    }
    let found: Build = match name {
        "START_TIME" | "START_TIME_LOCAL" => {
            |c| build(|context| Some(context.stream_info.start_time()), c)
        }
        "EMIT_TIME" | "EMIT_TIME_LOCAL" => |c| build(|context| Some(context.services.wall()), c),
        "DOWNSTREAM_PEER_CERT_V_START" => |c| {
            build(
                |context| {
                    context
                        .stream_info
                        .connection
                        .tls
                        .as_ref()?
                        .peer
                        .as_ref()?
                        .valid_from
                },
                c,
            )
        },
        "DOWNSTREAM_PEER_CERT_V_END" => |c| {
            build(
                |context| {
                    context
                        .stream_info
                        .connection
                        .tls
                        .as_ref()?
                        .peer
                        .as_ref()?
                        .valid_until
                },
                c,
            )
        },
        "UPSTREAM_PEER_CERT_V_START" => |c| {
            build(
                |context| {
                    context
                        .stream_info
                        .upstream
                        .tls
                        .as_ref()?
                        .peer
                        .as_ref()?
                        .valid_from
                },
                c,
            )
        },
        "UPSTREAM_PEER_CERT_V_END" => |c| {
            build(
                |context| {
                    context
                        .stream_info
                        .upstream
                        .tls
                        .as_ref()?
                        .peer
                        .as_ref()?
                        .valid_until
                },
                c,
            )
        },
        _ => return None,
    };
    Some((OPTIONAL, found))
}

fn address_without_port(name: &str) -> Option<(Syntax, Build)> {
    fn build(address: AddressOf, command: &Command<'_>) -> Result<Operator, FormatError> {
        // Envoy ignores an argument that is no number.
        let mask_bits = command.argument.trim().parse().ok();
        Ok(Operator::AddressWithoutPort { address, mask_bits })
    }
    let found: Build = match name {
        "UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT" => {
            |c| build(|info| info.upstream.local_address.as_ref(), c)
        }
        "UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT" => {
            |c| build(|info| info.upstream.remote_address.as_ref(), c)
        }
        "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT" => {
            |c| build(|info| info.downstream_remote_address(), c)
        }
        "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT" => {
            |c| build(|info| info.connection.direct_remote_address.as_ref(), c)
        }
        "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT" => {
            |c| build(|info| info.connection.local_address.as_ref(), c)
        }
        "DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT" => {
            |c| build(|info| info.connection.direct_local_address.as_ref(), c)
        }
        _ => return None,
    };
    Some((OPTIONAL, found))
}

fn metadata(source: MetadataSource, command: &Command<'_>) -> Result<Operator, FormatError> {
    Ok(Operator::Metadata(MetadataOperator::parse(
        source,
        command.argument,
    )))
}

fn query_params(command: &Command<'_>) -> Result<Operator, FormatError> {
    match command.argument {
        "" | "ORIG" => Ok(Operator::QueryParams { decoded: false }),
        "DECODED" => Ok(Operator::QueryParams { decoded: true }),
        other => Err(FormatError::new(format!(
            "Invalid QUERY_PARAMS option: '{other}', only 'ORIG'/'DECODED' are allowed"
        ))),
    }
}

fn header(map: Map, argument: &str, without_query: bool) -> Result<Operator, FormatError> {
    let mut names = argument.split('?');
    let (main, alternative) = (names.next().unwrap_or(""), names.next().unwrap_or(""));
    if names.next().is_some() {
        let text = format!("More than 1 alternative header specified in token: {argument}");
        return Err(FormatError::new(text));
    }
    let (main, alternative) = (header_name(map, main)?, header_name(map, alternative)?);
    Ok(Operator::Header {
        map,
        main,
        alternative,
        without_query,
    })
}

fn header_name(map: Map, name: &str) -> Result<Option<HeaderName>, FormatError> {
    if name.is_empty() {
        return Ok(None);
    }
    let parsed = HeaderName::parse_with_pseudo(name);
    let Ok(parsed) = parsed else {
        return Err(FormatError::new(
            "Invalid header configuration. Format string contains invalid characters.",
        ));
    };
    // A request's `host` is its `:authority`.
    if matches!(map, Map::Request) && parsed.known() == Some(Known::Host) {
        return Ok(HeaderName::parse_with_pseudo(":authority").ok());
    }
    Ok(Some(parsed))
}
