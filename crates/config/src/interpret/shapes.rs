//! A value of another shape than the field has, in the shape that was meant: `50` for a percentage, `host:port` for an
//! address, a map for the one word in it.
//!
//! Only where one way of writing it is the obvious one; texts longer than 200 bytes are compared with nothing.

use nuncio_api::{self as api, Cardinality, Kind as FieldKind};

use crate::text::{Kind, Node};

const LONGEST: usize = 200;
/// Fields whose text is several words with commas between them.
const WORDS_WITH_COMMAS: [&str; 6] = [
    "retry_on",
    "retry_grpc_on",
    "allow_methods",
    "allow_headers",
    "expose_headers",
    "cipher_suite",
];

/// What to write for a message where a value stands that is no map.
pub(super) fn for_message(descriptor: api::Message, node: &Node) -> Option<String> {
    if let Kind::List(items) = &node.kind {
        let one = matches!(items.as_slice(), [item] if matches!(item.kind, Kind::Map(_)));
        return one.then(|| "write the map without the list around it".to_owned());
    }
    let text = scalar_text(node)?;
    if text.len() > LONGEST {
        return None;
    }
    if let Some(name) = descriptor.full_name().strip_prefix("envoy.")
        && let Some(meant) = known(name, &text, node)
    {
        return Some(format!("write `{meant}`"));
    }
    if matches!(node.kind, Kind::Bool(true)) {
        return Some("write `{}`".to_owned());
    }
    let mut fields = descriptor.fields();
    let only = fields.next().filter(|_| fields.next().is_none())?;
    takes(only, node).then(|| format!("write `{{ {}: {text} }}`", only.name()))
}

fn takes(field: api::Field, node: &Node) -> bool {
    let is_number = matches!(node.kind, Kind::Int(_) | Kind::Uint(_) | Kind::Float(_));
    field.cardinality() == Cardinality::Singular
        && match field.kind() {
            FieldKind::String => matches!(node.kind, Kind::Str(_)),
            FieldKind::Bool => matches!(node.kind, Kind::Bool(_)),
            FieldKind::Bytes | FieldKind::Message(_) | FieldKind::Enum(_) => false,
            _ => is_number,
        }
}

/// The messages that people write as one word, by their name behind `envoy.`.
fn known(name: &str, text: &str, node: &Node) -> Option<String> {
    let number = || text.trim_end_matches('%').trim().parse::<f64>().ok();
    Some(match name {
        "type.v3.Percent" => format!("{{ value: {} }}", number()?),
        "type.v3.FractionalPercent" => format!("{{ numerator: {} }}", whole(number()?)?),
        "config.core.v3.RuntimeFractionalPercent" => {
            format!(
                "{{ default_value: {{ numerator: {} }} }}",
                whole(number()?)?
            )
        }
        "config.core.v3.Address" => address(text)?,
        "config.core.v3.SocketAddress" => socket_address(text)?,
        "config.endpoint.v3.Endpoint" | "config.listener.v3.AdditionalAddress" => {
            format!("{{ address: {} }}", address(text)?)
        }
        "config.endpoint.v3.LbEndpoint" => {
            format!("{{ endpoint: {{ address: {} }} }}", address(text)?)
        }
        "config.core.v3.CidrRange" => {
            let (prefix, length) = text.split_once('/').unwrap_or((text, "32"));
            let prefix: std::net::IpAddr = prefix.parse().ok()?;
            format!("{{ address_prefix: {prefix}, prefix_len: {length} }}")
        }
        "config.route.v3.RouteMatch" if text.starts_with('/') => format!("{{ prefix: {text} }}"),
        "config.route.v3.RouteAction" => format!("{{ cluster: {text} }}"),
        "config.route.v3.DirectResponseAction" => format!("{{ status: {} }}", whole(number()?)?),
        "config.route.v3.RedirectAction" => redirect(text),
        "config.route.v3.HeaderMatcher" | "config.route.v3.QueryParameterMatcher" => {
            format!("{{ name: {text}, present_match: true }}")
        }
        "config.core.v3.HeaderValueOption" => {
            let (key, value) = text.split_once(':')?;
            format!("{{ header: {{ key: {key}, value: {} }} }}", value.trim())
        }
        "type.matcher.v3.StringMatcher" => format!("{{ exact: {text} }}"),
        "type.matcher.v3.RegexMatcher" => format!("{{ regex: {text} }}"),
        "config.core.v3.DataSource" if text.starts_with('/') => format!("{{ filename: {text} }}"),
        "config.core.v3.DataSource" => format!("{{ inline_string: {text} }}"),
        "config.core.v3.SubstitutionFormatString" => {
            format!("{{ text_format_source: {{ inline_string: {text} }} }}")
        }
        "config.core.v3.Node" => format!("{{ id: {text} }}"),
        "config.core.v3.GrpcService" => format!("{{ envoy_grpc: {{ cluster_name: {text} }} }}"),
        "config.core.v3.ConfigSource" if text.eq_ignore_ascii_case("ads") => {
            "{ ads: {} }".to_owned()
        }
        "config.core.v3.ConfigSource" => format!("{{ path_config_source: {{ path: {text} }} }}"),
        "config.core.v3.HttpUri" if matches!(node.kind, Kind::Str(_)) => {
            format!("{{ uri: {text}, cluster: ..., timeout: 5s }}")
        }
        "config.accesslog.v3.AccessLog" if text.starts_with('/') => format!(
            "{{ name: envoy.access_loggers.file, typed_config: {{ \"@type\": \
             type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: {text} }} }}"
        ),
        _ => return None,
    })
}

fn whole(number: f64) -> Option<f64> {
    (number.fract() == 0.0 && number >= 0.0).then_some(number)
}

fn address(text: &str) -> Option<String> {
    let path = text.strip_prefix("unix://").unwrap_or(text);
    if path.starts_with('/') {
        return Some(format!("{{ pipe: {{ path: {path} }} }}"));
    }
    Some(format!("{{ socket_address: {} }}", socket_address(text)?))
}

/// `host:port` or `[address]:port`.
fn socket_address(text: &str) -> Option<String> {
    let text = ["http://", "https://", "tcp://", "grpc://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme))
        .unwrap_or(text);
    let (host, port) = text.rsplit_once(':')?;
    let port: u16 = port.parse().ok()?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let host = if host.contains(':') {
        format!("\"{host}\"")
    } else {
        host.to_owned()
    };
    (!host.is_empty() && !host.contains('/'))
        .then(|| format!("{{ address: {host}, port_value: {port} }}"))
}

fn redirect(text: &str) -> String {
    if text.starts_with('/') {
        return format!("{{ path_redirect: {text} }}");
    }
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let (host, path) = match rest.split_once('/') {
        Some((host, path)) if !path.is_empty() => (host, format!(", path_redirect: /{path}")),
        Some((host, _)) => (host, String::new()),
        None => (rest, String::new()),
    };
    let scheme = match scheme {
        "" => String::new(),
        "https" => ", https_redirect: true".to_owned(),
        other => format!(", scheme_redirect: {other}"),
    };
    format!("{{ host_redirect: {host}{path}{scheme} }}")
}

/// What to write for a scalar where a list or map stands that holds nothing but one.
pub(super) fn for_scalar(node: &Node, field: &str) -> Option<String> {
    let inner = match &node.kind {
        Kind::Map(entries) => match entries.as_slice() {
            [one] => scalar_text(&one.value)?,
            _ => return None,
        },
        Kind::List(items) => {
            let texts: Option<Vec<String>> = items.iter().map(scalar_text).collect();
            match texts?.as_slice() {
                [one] => one.clone(),
                many @ [_, ..] if WORDS_WITH_COMMAS.contains(&field) => many.join(","),
                _ => return None,
            }
        }
        _ => return None,
    };
    (inner.len() <= LONGEST).then(|| format!("write `{inner}`"))
}

fn scalar_text(node: &Node) -> Option<String> {
    Some(match &node.kind {
        Kind::Str(text) => text.to_string(),
        Kind::Int(value) => value.to_string(),
        Kind::Uint(value) => value.to_string(),
        Kind::Float(value) => value.to_string(),
        Kind::Bool(value) => value.to_string(),
        _ => return None,
    })
}
