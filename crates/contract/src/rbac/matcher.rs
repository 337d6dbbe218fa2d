//! Permissions and principals, compiled: one tree of conditions for both.

use std::net::IpAddr;
use std::ops::Range;

use crate::headers::{HeaderMap, Known};
use crate::http_filter::PerRoute;
use crate::matching::uri_template::UriTemplate;
use crate::matching::{
    AddressRanges, CidrRange, CompiledFilterStateMatcher, CompiledHeaderMatcher,
    CompiledMetadataMatcher, CompiledStringMatcher, HeaderMatcher, MetadataMatcher, WrittenRange,
};
use crate::stream_info::{Address, StreamInfo};
use nuncio_config::typed::{Ctx, Refused};

use super::certificate::CertificateMatcher;
use super::messages::{
    Int32Range, MetadataSource, MtlsAuthenticated, PathMatcher, PathRule, Permission,
    PermissionRule, Principal, PrincipalId, SourcedMetadata, TypedExtension, UpstreamIpPortMatcher,
};

const UPSTREAM_IP_PORT: &str =
    "envoy.extensions.rbac.matchers.upstream_ip_port.v3.UpstreamIpPortMatcher";
const MTLS_AUTHENTICATED: &str = "envoy.extensions.rbac.principals.mtls_authenticated.v3.Config";
/// Where a filter leaves the address of the host that it found.
const UPSTREAM_ADDRESS: &str = "envoy.stream.upstream_address";
const MOST_PORT: i32 = 65_536;

/// What is looked at.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The headers; none there are of a connection.
    pub headers: &'a HeaderMap,
    /// What is known of the stream or connection.
    pub info: &'a StreamInfo,
    /// Where it is going.
    pub route: PerRoute<'a>,
}

/// A compiled permission or principal.
pub(super) enum Matcher {
    All(Box<[Matcher]>),
    Any(Box<[Matcher]>),
    Not(Box<Matcher>),
    /// The API takes nothing but `true`.
    Always(bool),
    Header(Box<CompiledHeaderMatcher>),
    Path(CompiledStringMatcher),
    Template(Box<UriTemplate>),
    Ip(Which, AddressRanges),
    Port(Range<i32>),
    ServerName(CompiledStringMatcher),
    Metadata(MetadataSource, Box<CompiledMetadataMatcher>),
    FilterState(Box<CompiledFilterStateMatcher>),
    UpstreamAddress(Box<UpstreamCondition>),
    Certificate(Box<CertificateMatcher>),
}

/// An address of the connection.
#[derive(Clone, Copy)]
pub(super) enum Which {
    /// Ours.
    Local,
    /// The client's, whatever its requests say.
    Connection,
    /// The peer's on the socket.
    DirectRemote,
    /// The client's, as far as its requests are trusted.
    Remote,
}

/// The host that another filter found, and what it has to be like.
pub(super) struct UpstreamCondition {
    ip: Option<AddressRanges>,
    /// With both ends.
    ports: Option<(i64, i64)>,
}

impl Matcher {
    pub(super) fn any_permission(list: &[Permission], ctx: &mut Ctx) -> Result<Self, Refused> {
        all(list, Self::permission, ctx).map(Matcher::Any)
    }

    pub(super) fn any_principal(list: &[Principal], ctx: &mut Ctx) -> Result<Self, Refused> {
        all(list, Self::principal, ctx).map(Matcher::Any)
    }

    fn permission(message: &Permission, ctx: &mut Ctx) -> Result<Self, Refused> {
        match &message.rule {
            PermissionRule::All(set) => all(&set.rules, Self::permission, ctx).map(Matcher::All),
            PermissionRule::Any(set) => Self::any_permission(&set.rules, ctx),
            PermissionRule::Not(rule) => Self::permission(rule, ctx).map(Self::negated),
            PermissionRule::Always(always) => Ok(Matcher::Always(*always)),
            PermissionRule::Header(header) => Self::header(header, ctx),
            PermissionRule::Path(path) => Self::path(path, ctx),
            PermissionRule::DestinationIp(range) => Self::ip(Which::Local, range, ctx),
            PermissionRule::Port(port) => {
                let port = i32::try_from(*port).unwrap_or(MOST_PORT);
                Ok(Matcher::Port(port..port.saturating_add(1)))
            }
            PermissionRule::PortRange(range) => ports(range, ctx).map(Matcher::Port),
            PermissionRule::Metadata(metadata) => {
                Self::metadata(MetadataSource::Dynamic, metadata, ctx)
            }
            PermissionRule::SourcedMetadata(metadata) => Self::sourced_metadata(metadata, ctx),
            PermissionRule::ServerName(name) => {
                CompiledStringMatcher::compile(name, ctx).map(Matcher::ServerName)
            }
            PermissionRule::Extension(extension) => Self::permission_extension(extension, ctx),
            PermissionRule::Template(template) => {
                UriTemplate::compile(template, "uri_template", ctx)
                    .map(|template| Matcher::Template(Box::new(template)))
            }
        }
    }

    fn principal(message: &Principal, ctx: &mut Ctx) -> Result<Self, Refused> {
        match &message.identifier {
            PrincipalId::All(set) => all(&set.ids, Self::principal, ctx).map(Matcher::All),
            PrincipalId::Any(set) => Self::any_principal(&set.ids, ctx),
            PrincipalId::Not(id) => Self::principal(id, ctx).map(Self::negated),
            PrincipalId::Always(always) => Ok(Matcher::Always(*always)),
            PrincipalId::Authenticated(authenticated) => {
                CertificateMatcher::authenticated(authenticated, ctx).map(Self::certificate)
            }
            PrincipalId::SourceIp(range) => Self::ip(Which::Connection, range, ctx),
            PrincipalId::DirectRemoteIp(range) => Self::ip(Which::DirectRemote, range, ctx),
            PrincipalId::RemoteIp(range) => Self::ip(Which::Remote, range, ctx),
            PrincipalId::Header(header) => Self::header(header, ctx),
            PrincipalId::Path(path) => Self::path(path, ctx),
            PrincipalId::Metadata(metadata) => {
                Self::metadata(MetadataSource::Dynamic, metadata, ctx)
            }
            PrincipalId::SourcedMetadata(metadata) => Self::sourced_metadata(metadata, ctx),
            PrincipalId::FilterState(matcher) => CompiledFilterStateMatcher::compile(matcher, ctx)
                .map(|matcher| Matcher::FilterState(Box::new(matcher))),
            PrincipalId::Custom(extension) => Self::principal_extension(extension, ctx),
        }
    }

    fn negated(self) -> Self {
        Matcher::Not(Box::new(self))
    }

    fn certificate(matcher: CertificateMatcher) -> Self {
        Matcher::Certificate(Box::new(matcher))
    }

    fn header(message: &HeaderMatcher, ctx: &mut Ctx) -> Result<Self, Refused> {
        let header = CompiledHeaderMatcher::compile(message, ctx)?;
        Ok(Matcher::Header(Box::new(header)))
    }

    fn path(message: &PathMatcher, ctx: &mut Ctx) -> Result<Self, Refused> {
        let PathRule::Path(path) = &message.rule;
        CompiledStringMatcher::compile(path, ctx).map(Matcher::Path)
    }

    fn ip(which: Which, range: &CidrRange, ctx: &mut Ctx) -> Result<Self, Refused> {
        let say = |range: &CidrRange| format!("Failed to create CIDR range: {}", range.malformed());
        let range = std::slice::from_ref(range);
        AddressRanges::compile_or_say(range, say, ctx).map(|range| Matcher::Ip(which, range))
    }

    fn metadata(
        source: MetadataSource,
        message: &MetadataMatcher,
        ctx: &mut Ctx,
    ) -> Result<Self, Refused> {
        let matcher = CompiledMetadataMatcher::compile(message, ctx)?;
        Ok(Matcher::Metadata(source, Box::new(matcher)))
    }

    fn sourced_metadata(message: &SourcedMetadata, ctx: &mut Ctx) -> Result<Self, Refused> {
        Self::metadata(message.metadata_source, &message.metadata_matcher, ctx)
    }

    fn permission_extension(message: &TypedExtension, ctx: &mut Ctx) -> Result<Self, Refused> {
        let any = &message.typed_config;
        if any.type_name() != UPSTREAM_IP_PORT {
            let what = format!("RBAC matcher `{}`", any.type_name());
            return Err(ctx.unsupported_here(any.span, what));
        }
        let condition = UpstreamCondition::compile(&any.decode(ctx)?, ctx)?;
        Ok(Matcher::UpstreamAddress(Box::new(condition)))
    }

    fn principal_extension(message: &TypedExtension, ctx: &mut Ctx) -> Result<Self, Refused> {
        let any = &message.typed_config;
        if any.type_name() != MTLS_AUTHENTICATED {
            let what = format!("RBAC principal `{}`", any.type_name());
            return Err(ctx.unsupported_here(any.span, what));
        }
        let message: MtlsAuthenticated = any.decode(ctx)?;
        CertificateMatcher::mtls(&message, ctx).map(Self::certificate)
    }

    pub(super) fn asks_for_headers(&self) -> bool {
        match self {
            Matcher::All(matchers) | Matcher::Any(matchers) => {
                matchers.iter().any(Matcher::asks_for_headers)
            }
            Matcher::Not(matcher) => matcher.asks_for_headers(),
            Matcher::Header(_) => true,
            _ => false,
        }
    }

    pub(super) fn matches(&self, request: &Request<'_>) -> bool {
        let info = request.info;
        match self {
            Matcher::All(matchers) => matchers.iter().all(|matcher| matcher.matches(request)),
            Matcher::Any(matchers) => matchers.iter().any(|matcher| matcher.matches(request)),
            Matcher::Not(matcher) => !matcher.matches(request),
            Matcher::Always(always) => *always,
            Matcher::Header(header) => header.matches(request.headers),
            Matcher::Path(path) => {
                path_of(request.headers).is_some_and(|found| path.matches(found))
            }
            Matcher::Template(template) => {
                template.matches(path_of(request.headers).unwrap_or_default())
            }
            Matcher::Ip(which, range) => which.ip(info).is_some_and(|ip| range.contains(ip)),
            Matcher::Port(range) => {
                let port = info
                    .connection
                    .local_address
                    .as_ref()
                    .and_then(Address::port);
                port.is_some_and(|port| range.contains(&i32::from(port)))
            }
            Matcher::ServerName(name) => {
                name.matches(info.connection.requested_server_name.as_bytes())
            }
            Matcher::Metadata(MetadataSource::Dynamic, matcher) => {
                matcher.matches(info.dynamic_metadata())
            }
            Matcher::Metadata(MetadataSource::Route, matcher) => {
                request.route.has_route() && matcher.matches(info.route_metadata.as_deref())
            }
            Matcher::FilterState(condition) => condition.matches(info),
            Matcher::UpstreamAddress(condition) => condition.matches(info),
            Matcher::Certificate(matcher) => matcher.matches(info.connection.tls.as_deref()),
        }
    }
}

/// All of them, or what is wrong with any.
fn all<T>(
    list: &[T],
    compile: impl Fn(&T, &mut Ctx) -> Result<Matcher, Refused>,
    ctx: &mut Ctx,
) -> Result<Box<[Matcher]>, Refused> {
    let compiled: Vec<_> = list.iter().map(|one| compile(one, ctx)).collect();
    compiled.into_iter().collect()
}

fn ports(range: &Int32Range, ctx: &mut Ctx) -> Result<Range<i32>, Refused> {
    let is_out = |port: i32| !(0..=MOST_PORT).contains(&port);
    let (start, end) = (range.start, range.end);
    let text = if is_out(start) {
        format!("range start {start} is out of bounds")
    } else if is_out(end) {
        format!("range end {end} is out of bounds")
    } else if start >= end {
        format!("range start {start} cannot be greater or equal than range end {end}")
    } else {
        return Ok(start..end);
    };
    ctx.error(range.span(), text);
    Err(Refused)
}

/// The path without its query and fragment.
fn path_of(headers: &HeaderMap) -> Option<&[u8]> {
    let path = headers.get(Known::Path)?;
    path.split(|byte| matches!(byte, b'?' | b'#')).next()
}

impl Which {
    fn ip(self, info: &StreamInfo) -> Option<IpAddr> {
        let connection = &info.connection;
        let address = match self {
            Which::Local => connection.local_address.as_ref(),
            Which::Connection => connection.remote_address.as_ref(),
            Which::DirectRemote => connection.direct_remote_address.as_ref(),
            Which::Remote => info.downstream_remote_address(),
        };
        address?.ip()
    }
}

impl UpstreamCondition {
    fn compile(message: &UpstreamIpPortMatcher, ctx: &mut Ctx) -> Result<Self, Refused> {
        let (ip, ports) = (&message.upstream_ip, &message.upstream_port_range);
        if ip.is_none() && ports.is_none() {
            let text = "Invalid UpstreamIpPortMatcher configuration - missing `upstream_ip` and/or \
                        `upstream_port_range`";
            ctx.error(message.span(), text);
            return Err(Refused);
        }
        let ip = ip.as_ref().map(std::slice::from_ref);
        Ok(UpstreamCondition {
            ip: ip.map(|ip| AddressRanges::compile(ip, ctx)).transpose()?,
            ports: ports.as_ref().map(|ports| (ports.start, ports.end)),
        })
    }

    fn matches(&self, info: &StreamInfo) -> bool {
        let Some(address) = address_object(info, UPSTREAM_ADDRESS) else {
            return false;
        };
        let has_port = |(first, last): (i64, i64)| {
            let port = address.port().map(i64::from);
            port.is_some_and(|port| (first..=last).contains(&port))
        };
        self.ip.as_ref().is_none_or(|ranges| is_in(ranges, address))
            && self.ports.is_none_or(has_port)
    }
}

fn address_object<'a>(info: &'a StreamInfo, key: &str) -> Option<&'a Address> {
    info.object_as(key)
}

fn is_in(ranges: &AddressRanges, address: &Address) -> bool {
    address.ip().is_some_and(|ip| ranges.contains(ip))
}
