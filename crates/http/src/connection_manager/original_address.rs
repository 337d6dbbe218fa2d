//! `original_ip_detection_extensions`: who the client is, from `x-forwarded-for` or a header of choice.
//!
//! The first extension that finds an address counts; one may refuse requests without any. Limits: of `x-forwarded-for`
//! with trusted ranges at most 20 addresses are looked at, else none is found, as in Envoy. A range that is no address
//! is left out with a warning; Envoy leaves it out in silence.

use std::net::{IpAddr, SocketAddr};

use nuncio_config::typed::{Ctx, Refused};
use nuncio_contract::headers::{HeaderMap, HeaderName, Known};
use nuncio_contract::http_status::HttpStatus;
use nuncio_contract::matching::{AddressRanges, WrittenRange as _};
use nuncio_contract::stream_info::Address;

use super::address::last_forwarded;
use crate::config::connection_manager::HttpConnectionManager;
use crate::config::original_address::{CustomHeaderConfig, XffConfig, XffTrustedCidrs};

const XFF: &str = "envoy.extensions.http.original_ip_detection.xff.v3.XffConfig";
const CUSTOM_HEADER: &str =
    "envoy.extensions.http.original_ip_detection.custom_header.v3.CustomHeaderConfig";
const MOST_FORWARDED: usize = 20;
const FORBIDDEN: u16 = 403;

/// One extension.
#[derive(Clone, Debug)]
pub enum Detection {
    /// `x-forwarded-for`, behind so many trusted proxies.
    Hops {
        /// How many.
        hops: u32,
        /// Whether the peer is appended.
        append: bool,
    },
    /// `x-forwarded-for`, behind proxies of these ranges.
    Ranges {
        /// Of the proxies.
        trusted: AddressRanges,
        /// Whether the peer is appended where it is one of them.
        append: bool,
    },
    /// A header.
    Header {
        /// Its name.
        name: HeaderName,
        /// Whether the address may count as internal.
        may_be_internal: bool,
        /// The answer where there is no address in it.
        refusal: Option<u16>,
    },
}

/// What an extension makes of a request.
pub(super) struct Detected {
    /// The address.
    pub(super) found: Option<Address>,
    /// Whether it may count as internal.
    pub(super) may_be_internal: bool,
    /// Whether the peer is appended to `x-forwarded-for`.
    pub(super) append: bool,
}

/// Compiles the extensions of a connection manager.
pub(super) fn compile(
    message: &HttpConnectionManager,
    ctx: &mut Ctx,
) -> Result<Box<[Detection]>, Refused> {
    let extensions = &message.original_ip_detection_extensions;
    let beside = if extensions.is_empty() {
        None
    } else if message.use_remote_address == Some(true) {
        Some("use_remote_address")
    } else if message.xff_num_trusted_hops > 0 {
        Some("xff_num_trusted_hops")
    } else {
        None
    };
    if let Some(beside) = beside {
        let text = format!("Original IP detection extensions and {beside} may not be mixed");
        ctx.error(message.span(), text);
        return Err(Refused);
    }
    let detections: Vec<_> = extensions
        .iter()
        .map(|extension| {
            let Some(any) = &extension.typed_config else {
                let text = format!(
                    "Original IP detection extension not found: '{}'",
                    extension.name
                );
                ctx.error(extension.span(), text);
                return Err(Refused);
            };
            match any.type_name() {
                XFF => any
                    .decode::<XffConfig>(ctx)
                    .and_then(|xff| Detection::of_xff(&xff, ctx)),
                CUSTOM_HEADER => {
                    let config = any.decode::<CustomHeaderConfig>(ctx)?;
                    Detection::of_header(&config, ctx)
                }
                other => {
                    let what = format!("the original IP detection {other}");
                    Err(ctx.unsupported_here(any.span, what))
                }
            }
        })
        .collect();
    detections.into_iter().collect()
}

impl Detection {
    fn of_xff(message: &XffConfig, ctx: &mut Ctx) -> Result<Self, Refused> {
        let append = message.skip_xff_append == Some(false);
        let hops = message.xff_num_trusted_hops;
        let Some(trusted) = &message.xff_trusted_cidrs else {
            return Ok(Detection::Hops { hops, append });
        };
        if hops > 0 {
            let text = "Cannot set both xff_num_trusted_hops and xff_trusted_cidrs";
            ctx.error(message.span(), text);
            return Err(Refused);
        }
        let ranges = ranges(trusted, ctx);
        Ok(match ranges.is_empty() {
            true => Detection::Hops { hops, append },
            false => Detection::Ranges {
                trusted: AddressRanges::of(ranges),
                append,
            },
        })
    }

    fn of_header(message: &CustomHeaderConfig, ctx: &mut Ctx) -> Result<Self, Refused> {
        let Ok(name) = HeaderName::parse_with_pseudo(&message.header_name) else {
            let text = format!("`{}` is not a header name", message.header_name);
            ctx.error(message.span(), text);
            return Err(Refused);
        };
        let refusal = message.reject_with_status.as_ref().map(HttpStatus::number);
        Ok(Detection::Header {
            name,
            may_be_internal: message.allow_extension_to_set_address_as_trusted,
            refusal: refusal.map(|status| match status {
                400..=511 => status,
                _ => FORBIDDEN,
            }),
        })
    }

    /// What is found out; or the status of a refusal.
    pub(super) fn detect(
        &self,
        headers: &HeaderMap,
        remote: Option<&Address>,
    ) -> Result<Detected, u16> {
        let (found, append) = match self {
            Detection::Hops { hops, append } => (last_forwarded(headers, *hops), *append),
            Detection::Ranges { trusted, append } => {
                let is_proxy = remote
                    .and_then(Address::ip)
                    .is_some_and(|ip| trusted.contains(ip));
                match is_proxy {
                    true => (first_untrusted(headers, trusted), *append),
                    false => (None, true),
                }
            }
            Detection::Header {
                name,
                may_be_internal,
                refusal,
            } => {
                let text = headers.get_str(name).unwrap_or_default();
                let ip = text.parse::<IpAddr>().ok();
                return match (ip, refusal) {
                    (None, Some(status)) => Err(*status),
                    (ip, _) => Ok(Detected {
                        found: ip.map(with_ip),
                        may_be_internal: *may_be_internal,
                        append: false,
                    }),
                };
            }
        };
        Ok(Detected {
            found: found.map(|(ip, _)| with_ip(ip)),
            may_be_internal: found.is_some_and(|(_, is_alone)| is_alone),
            append,
        })
    }
}

fn ranges(trusted: &XffTrustedCidrs, ctx: &mut Ctx) -> Vec<(IpAddr, u32)> {
    let mut ranges = Vec::new();
    for range in &trusted.cidrs {
        let address = range.address();
        match address.value.parse() {
            Ok(ip) => ranges.push((ip, range.prefix_bits())),
            Err(_) => {
                let text = format!("{}; it is left out", range.malformed());
                ctx.warning(address.span, text);
            }
        }
    }
    ranges
}

/// An address without a port.
pub(super) fn with_ip(ip: IpAddr) -> Address {
    Address::Ip(SocketAddr::new(ip, 0))
}

/// The last address that is not trusted, or else the first one; and whether it stands alone.
fn first_untrusted(headers: &HeaderMap, trusted: &AddressRanges) -> Option<(IpAddr, bool)> {
    let value = headers.get(Known::XForwardedFor)?;
    let count = value.split(|byte| *byte == b',').count();
    if count > MOST_FORWARDED {
        return None;
    }
    let mut last = None;
    for entry in value.rsplit(|byte| *byte == b',') {
        let ip = std::str::from_utf8(entry)
            .ok()?
            .trim()
            .parse::<IpAddr>()
            .ok()?;
        last = Some(ip);
        if !trusted.contains(ip) {
            break;
        }
    }
    last.map(|ip| (ip, count == 1))
}
