//! The messages of rules.

use nuncio_config::typed::Any;
use nuncio_config::{enumeration, message, one_of};

use crate::cel::{CelExpressionConfig, v1alpha1};
use crate::matching::uri_template::PathExtension;
use crate::matching::{
    CidrRange, FilterStateMatcher, HeaderMatcher, MetadataMatcher, StringMatcher,
};

message! {
    /// What is done with requests that policies match.
    pub struct Rules: "envoy.config.rbac.v3.RBAC" {
        pub(super) action: Action,
        pub(super) policies: Vec<(String, Policy)>,
        inert audit_logging_options = "Envoy's HTTP filter does nothing with it",
    }
}

enumeration! {
    /// What is done with a request that a policy matches.
    pub(super) enum Action: "envoy.config.rbac.v3.RBAC.Action" {
        ALLOW => Allow,
        DENY => Deny,
        LOG => Log,
    }
}

message! {
    /// What a tree does with a request.
    pub(super) struct TreeAction: "envoy.config.rbac.v3.Action" {
        pub(super) name: String,
        pub(super) action: Action,
    }
}

message! {
    /// Any of the permissions and any of the principals.
    pub(super) struct Policy: "envoy.config.rbac.v3.Policy" {
        pub(super) permissions: Vec<Permission>,
        pub(super) principals: Vec<Principal>,
        pub(super) condition: Option<v1alpha1::Expr>,
        pub(super) cel_config: Option<CelExpressionConfig>,
        inert checked_condition = "Envoy does not look at it",
    }
}

message! {
    /// What is asked for.
    pub(super) struct Permission: "envoy.config.rbac.v3.Permission" {
        pub(super) oneof rule: PermissionRule,
    }
}

one_of! {
    /// The kinds of permission.
    pub(super) enum PermissionRule {
        and_rules => All(PermissionSet),
        or_rules => Any(PermissionSet),
        any => Always(bool),
        header => Header(HeaderMatcher),
        url_path => Path(PathMatcher),
        destination_ip => DestinationIp(CidrRange),
        destination_port => Port(u32),
        destination_port_range => PortRange(Int32Range),
        metadata => Metadata(MetadataMatcher),
        not_rule => Not(Box<Permission>),
        requested_server_name => ServerName(StringMatcher),
        matcher => Extension(TypedExtension),
        uri_template => Template(PathExtension),
        sourced_metadata => SourcedMetadata(SourcedMetadata),
    }
}

message! {
    /// Several permissions.
    pub(super) struct PermissionSet: "envoy.config.rbac.v3.Permission.Set" {
        pub(super) rules: Vec<Permission>,
    }
}

message! {
    /// Who asks.
    pub(super) struct Principal: "envoy.config.rbac.v3.Principal" {
        pub(super) oneof identifier: PrincipalId,
    }
}

one_of! {
    /// The kinds of principal.
    pub(super) enum PrincipalId {
        and_ids => All(PrincipalSet),
        or_ids => Any(PrincipalSet),
        any => Always(bool),
        authenticated => Authenticated(Authenticated),
        source_ip => SourceIp(CidrRange),
        direct_remote_ip => DirectRemoteIp(CidrRange),
        remote_ip => RemoteIp(CidrRange),
        header => Header(HeaderMatcher),
        url_path => Path(PathMatcher),
        metadata => Metadata(MetadataMatcher),
        filter_state => FilterState(FilterStateMatcher),
        not_id => Not(Box<Principal>),
        sourced_metadata => SourcedMetadata(SourcedMetadata),
        custom => Custom(TypedExtension),
    }
}

message! {
    /// Several principals.
    pub(super) struct PrincipalSet: "envoy.config.rbac.v3.Principal.Set" {
        pub(super) ids: Vec<Principal>,
    }
}

message! {
    /// A client with a certificate.
    pub(super) struct Authenticated: "envoy.config.rbac.v3.Principal.Authenticated" {
        pub(super) principal_name: Option<StringMatcher>,
    }
}

message! {
    /// A path without its query.
    pub(super) struct PathMatcher: "envoy.type.matcher.v3.PathMatcher" {
        pub(super) oneof rule: PathRule,
    }
}

one_of! {
    /// The kinds of path matcher.
    pub(super) enum PathRule {
        path => Path(StringMatcher),
    }
}

message! {
    /// `start <= x < end`.
    pub(super) struct Int32Range: "envoy.type.v3.Int32Range" {
        pub(super) start: i32,
        pub(super) end: i32,
    }
}

message! {
    /// Metadata of one of two places.
    pub(super) struct SourcedMetadata: "envoy.config.rbac.v3.SourcedMetadata" {
        pub(super) metadata_matcher: MetadataMatcher,
        pub(super) metadata_source: MetadataSource,
    }
}

enumeration! {
    /// Where metadata is looked up.
    pub(super) enum MetadataSource: "envoy.config.rbac.v3.MetadataSource" {
        DYNAMIC => Dynamic,
        ROUTE => Route,
    }
}

message! {
    /// A permission or a principal of another kind.
    pub(super) struct TypedExtension: "envoy.config.core.v3.TypedExtensionConfig" {
        pub(super) typed_config: Any,
        inert name = "the type says which extension it is";
    }
}

message! {
    /// The host that a filter before this one found.
    pub(super) struct UpstreamIpPortMatcher: "envoy.extensions.rbac.matchers.upstream_ip_port.v3.UpstreamIpPortMatcher" {
        pub(super) upstream_ip: Option<CidrRange>,
        pub(super) upstream_port_range: Option<Int64Range>,
    }
}

message! {
    /// Both ends are in the range, as this matcher takes it.
    pub(super) struct Int64Range: "envoy.type.v3.Int64Range" {
        pub(super) start: i64,
        pub(super) end: i64,
    }
}

message! {
    /// A client whose certificate was found good.
    pub(super) struct MtlsAuthenticated: "envoy.extensions.rbac.principals.mtls_authenticated.v3.Config" {
        pub(super) san_matcher: Option<SubjectAltNameMatcher>,
        pub(super) any_validated_client_certificate: bool,
    }
}

message! {
    /// An alternative name of a certificate.
    pub(super) struct SubjectAltNameMatcher: "envoy.extensions.transport_sockets.tls.v3.SubjectAltNameMatcher" {
        pub(super) san_type: SanType,
        pub(super) matcher: StringMatcher,
        inert oid = "only OTHER_NAME looks at it, which is refused",
    }
}

enumeration! {
    /// The kinds of alternative name.
    pub(super) enum SanType: "envoy.extensions.transport_sockets.tls.v3.SubjectAltNameMatcher.SanType" {
        EMAIL => Email,
        DNS => Dns,
        URI => Uri,
        IP_ADDRESS => IpAddress,
    }
}
