//! The header names that the proxy itself reads or writes, each with a number
//! for O(1) access, and in which kind of map repeated fields of that name are
//! joined with a comma, as Envoy does for its inline headers.
//!
//! The joining column was read off a running Envoy 1.40 by sending each name
//! twice in each direction. Names outside this table are never joined.

/// Which map a set of headers lives in; it decides what is joined and whether
/// `host` means `:authority`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum MapKind {
    /// Request headers. `host` is the same header as `:authority` here.
    #[default]
    Request = REQUEST,
    /// Response headers.
    Response = RESPONSE,
    /// Trailers of a request.
    RequestTrailers = 4,
    /// Trailers of a response.
    ResponseTrailers = RESPONSE_TRAILERS,
}

const NOWHERE: u8 = 0;
const REQUEST: u8 = 1;
const RESPONSE: u8 = 2;
const RESPONSE_TRAILERS: u8 = 8;

/// Room for the longest known name, a colon and a space.
const LINE_START_BYTES: usize = 48;

/// How a header's line begins in HTTP/1, the name in lower case, a colon and a space; padded so that it is copied in one
/// piece of constant length, and in a cache line of its own.
#[repr(align(64))]
pub(super) struct LineStart {
    padded: [u8; LINE_START_BYTES],
    len: u8,
}

impl LineStart {
    /// How long the name is, in bytes.
    #[inline]
    pub(super) fn name_len(&self) -> usize {
        usize::from(self.len) - 2
    }

    /// Appends it.
    #[inline]
    pub(super) fn append_to(&self, out: &mut Vec<u8>) {
        let end = out.len() + usize::from(self.len);
        out.extend_from_slice(&self.padded);
        out.truncate(end);
    }

    const fn of(text: &str) -> Self {
        let mut padded = [0; LINE_START_BYTES];
        let (start, _) = padded.split_at_mut(text.len());
        start.copy_from_slice(text.as_bytes());
        Self {
            padded,
            len: text.len() as u8,
        }
    }
}

macro_rules! known_headers {
    ($($variant:ident = $name:literal, $joined_in:expr;)+) => {
        /// A header name that the proxy knows by number.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Known {
            $(#[doc = concat!("`", $name, "`")] $variant,)+
        }

        impl Known {
            /// Every known name, in the order of its number.
            pub const ALL: &'static [Known] = &[$(Known::$variant),+];
            /// How many there are.
            pub const COUNT: usize = Known::ALL.len();
            pub(super) const NAMES: [&'static str; Known::COUNT] = [$($name),+];
            // Apart from the names, so that those of the usual headers share cache lines.
            const NAME_LENS: [u8; Known::COUNT] = [$($name.len() as u8),+];
            const JOINED_IN: [u8; Known::COUNT] = [$($joined_in),+];
        }

        static LINE_STARTS: [LineStart; Known::COUNT] = [$(LineStart::of(concat!($name, ": "))),+];
    };
}

known_headers! {
    Method = ":method", REQUEST;
    Path = ":path", REQUEST;
    Authority = ":authority", REQUEST;
    Scheme = ":scheme", REQUEST;
    Status = ":status", RESPONSE;
    Protocol = ":protocol", REQUEST;
    Connection = "connection", REQUEST | RESPONSE;
    KeepAlive = "keep-alive", REQUEST | RESPONSE;
    ProxyConnection = "proxy-connection", REQUEST | RESPONSE;
    ProxyStatus = "proxy-status", REQUEST | RESPONSE;
    XRequestId = "x-request-id", REQUEST | RESPONSE;
    TransferEncoding = "transfer-encoding", REQUEST | RESPONSE;
    Upgrade = "upgrade", REQUEST | RESPONSE;
    Via = "via", REQUEST | RESPONSE;
    ContentLength = "content-length", REQUEST | RESPONSE;
    ContentType = "content-type", REQUEST | RESPONSE;
    ContentEncoding = "content-encoding", REQUEST | RESPONSE;
    XEnvoyAttemptCount = "x-envoy-attempt-count", REQUEST | RESPONSE;
    XEnvoyDecoratorOperation = "x-envoy-decorator-operation", REQUEST | RESPONSE;
    CacheControl = "cache-control", REQUEST | RESPONSE;
    Te = "te", REQUEST;
    Expect = "expect", REQUEST;
    UserAgent = "user-agent", REQUEST;
    XForwardedFor = "x-forwarded-for", REQUEST;
    XForwardedProto = "x-forwarded-proto", REQUEST;
    XForwardedHost = "x-forwarded-host", REQUEST;
    XForwardedPort = "x-forwarded-port", REQUEST;
    XForwardedClientCert = "x-forwarded-client-cert", REQUEST;
    XClientTraceId = "x-client-trace-id", REQUEST;
    XEnvoyDownstreamServiceCluster = "x-envoy-downstream-service-cluster", REQUEST;
    XEnvoyDownstreamServiceNode = "x-envoy-downstream-service-node", REQUEST;
    XEnvoyExternalAddress = "x-envoy-external-address", REQUEST;
    XEnvoyForceTrace = "x-envoy-force-trace", REQUEST;
    XEnvoyHedgeOnPerTryTimeout = "x-envoy-hedge-on-per-try-timeout", REQUEST;
    XEnvoyIsTimeoutRetry = "x-envoy-is-timeout-retry", REQUEST;
    XEnvoyOriginalUrl = "x-envoy-original-url", REQUEST;
    XEnvoyInternal = "x-envoy-internal", REQUEST;
    XEnvoyIpTags = "x-envoy-ip-tags", REQUEST;
    XEnvoyMaxRetries = "x-envoy-max-retries", REQUEST;
    XEnvoyOriginalPath = "x-envoy-original-path", REQUEST;
    XEnvoyOriginalHost = "x-envoy-original-host", REQUEST;
    XEnvoyRetryOn = "x-envoy-retry-on", REQUEST;
    XEnvoyRetryGrpcOn = "x-envoy-retry-grpc-on", REQUEST;
    XEnvoyRetriableStatusCodes = "x-envoy-retriable-status-codes", REQUEST;
    XEnvoyRetriableHeaderNames = "x-envoy-retriable-header-names", REQUEST;
    XEnvoyUpstreamAltStatName = "x-envoy-upstream-alt-stat-name", REQUEST;
    XEnvoyUpstreamRqTimeoutAltResponse = "x-envoy-upstream-rq-timeout-alt-response", REQUEST;
    XEnvoyUpstreamRqTimeoutMs = "x-envoy-upstream-rq-timeout-ms", REQUEST;
    XEnvoyUpstreamRqPerTryTimeoutMs = "x-envoy-upstream-rq-per-try-timeout-ms", REQUEST;
    XEnvoyExpectedRqTimeoutMs = "x-envoy-expected-rq-timeout-ms", REQUEST;
    XEnvoyUpstreamStreamDurationMs = "x-envoy-upstream-stream-duration-ms", REQUEST;
    GrpcTimeout = "grpc-timeout", REQUEST;
    GrpcAcceptEncoding = "grpc-accept-encoding", REQUEST;
    Accept = "accept", REQUEST;
    AcceptEncoding = "accept-encoding", REQUEST;
    AccessControlRequestHeaders = "access-control-request-headers", REQUEST;
    AccessControlRequestMethod = "access-control-request-method", REQUEST;
    AccessControlRequestPrivateNetwork = "access-control-request-private-network", REQUEST;
    Authentication = "authentication", REQUEST;
    Authorization = "authorization", REQUEST;
    CdnLoop = "cdn-loop", REQUEST;
    IfMatch = "if-match", REQUEST;
    IfNoneMatch = "if-none-match", REQUEST;
    IfModifiedSince = "if-modified-since", REQUEST;
    IfUnmodifiedSince = "if-unmodified-since", REQUEST;
    IfRange = "if-range", REQUEST;
    Pragma = "pragma", REQUEST;
    Referer = "referer", REQUEST;
    Origin = "origin", REQUEST;
    Date = "date", RESPONSE;
    Server = "server", RESPONSE;
    Location = "location", RESPONSE;
    XEnvoyDegraded = "x-envoy-degraded", RESPONSE;
    XEnvoyImmediateHealthCheckFail = "x-envoy-immediate-health-check-fail", RESPONSE;
    XEnvoyRatelimited = "x-envoy-ratelimited", RESPONSE;
    XEnvoyUpstreamCanary = "x-envoy-upstream-canary", RESPONSE;
    XEnvoyUpstreamHealthcheckedCluster = "x-envoy-upstream-healthchecked-cluster", RESPONSE;
    XEnvoyUpstreamServiceTime = "x-envoy-upstream-service-time", RESPONSE;
    AccessControlAllowOrigin = "access-control-allow-origin", RESPONSE;
    AccessControlAllowHeaders = "access-control-allow-headers", RESPONSE;
    AccessControlAllowMethods = "access-control-allow-methods", RESPONSE;
    AccessControlExposeHeaders = "access-control-expose-headers", RESPONSE;
    AccessControlMaxAge = "access-control-max-age", RESPONSE;
    AccessControlAllowCredentials = "access-control-allow-credentials", RESPONSE;
    AccessControlAllowPrivateNetwork = "access-control-allow-private-network", RESPONSE;
    Age = "age", RESPONSE;
    Etag = "etag", RESPONSE;
    Expires = "expires", RESPONSE;
    LastModified = "last-modified", RESPONSE;
    Vary = "vary", RESPONSE;
    GrpcStatus = "grpc-status", RESPONSE | RESPONSE_TRAILERS;
    GrpcMessage = "grpc-message", RESPONSE | RESPONSE_TRAILERS;
    Host = "host", NOWHERE;
    Cookie = "cookie", NOWHERE;
    SetCookie = "set-cookie", NOWHERE;
    ContentRange = "content-range", NOWHERE;
    Trailer = "trailer", NOWHERE;
    Http2Settings = "http2-settings", NOWHERE;
    XEnvoyCluster = "x-envoy-cluster", NOWHERE;
    XEnvoyLocalOverloaded = "x-envoy-local-overloaded", NOWHERE;
    XEnvoyNotForwarded = "x-envoy-not-forwarded", NOWHERE;
    XEnvoyOriginalDstHost = "x-envoy-original-dst-host", NOWHERE;
    XEnvoyOriginalMethod = "x-envoy-original-method", NOWHERE;
    XEnvoyOverloaded = "x-envoy-overloaded", NOWHERE;
    XEnvoyDropOverload = "x-envoy-drop-overload", NOWHERE;
    XEnvoyUnconditionalDropOverload = "x-envoy-unconditional-drop-overload", NOWHERE;
    XEnvoyUpstreamHostAddress = "x-envoy-upstream-host-address", NOWHERE;
    XEnvoyUpstreamHostname = "x-envoy-upstream-hostname", NOWHERE;
    XEnvoyCompressionStatus = "x-envoy-compression-status", NOWHERE;
    GrpcStatusDetailsBin = "grpc-status-details-bin", NOWHERE;
    GrpcEncoding = "grpc-encoding", NOWHERE;
    GrpcMessageType = "grpc-message-type", NOWHERE;
    Range = "range", NOWHERE;
    WwwAuthenticate = "www-authenticate", NOWHERE;
    XContentTypeOptions = "x-content-type-options", NOWHERE;
    EarlyData = "early-data", NOWHERE;
    ProxyAuthenticate = "proxy-authenticate", NOWHERE;
    ProxyAuthorization = "proxy-authorization", NOWHERE;
    CapsuleProtocol = "capsule-protocol", NOWHERE;
    AcceptLanguage = "accept-language", NOWHERE;
    AltSvc = "alt-svc", NOWHERE;
    Allow = "allow", NOWHERE;
    RetryAfter = "retry-after", NOWHERE;
    CacheStatus = "cache-status", NOWHERE;
    XOtSpanContext = "x-ot-span-context", NOWHERE;
    Traceparent = "traceparent", NOWHERE;
    Tracestate = "tracestate", NOWHERE;
    XB3Traceid = "x-b3-traceid", NOWHERE;
    XB3Spanid = "x-b3-spanid", NOWHERE;
    XB3Parentspanid = "x-b3-parentspanid", NOWHERE;
    XB3Sampled = "x-b3-sampled", NOWHERE;
    XB3Flags = "x-b3-flags", NOWHERE;
    B3 = "b3", NOWHERE;
    XRealIp = "x-real-ip", NOWHERE;
    ConnectProtocolVersion = "connect-protocol-version", NOWHERE;
    ConnectTimeoutMs = "connect-timeout-ms", NOWHERE;
}

impl Known {
    /// The name on the wire, in lower case.
    #[inline]
    pub const fn as_str(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// The name on the wire, in lower case.
    #[inline]
    pub const fn as_bytes(self) -> &'static [u8] {
        self.as_str().as_bytes()
    }

    /// How long the name is, in bytes.
    #[inline]
    pub(super) fn name_len(self) -> usize {
        static LENS: [u8; Known::COUNT] = Known::NAME_LENS;
        usize::from(LENS[self as usize])
    }

    /// How a header's line begins in HTTP/1.
    #[inline]
    pub(super) fn line_start(self) -> &'static LineStart {
        &LINE_STARTS[self as usize]
    }

    /// Whether the name begins with a colon.
    #[inline]
    pub const fn is_pseudo(self) -> bool {
        (self as u8) <= (Known::Protocol as u8)
    }

    /// Whether a second field of this name is joined to the first in a map of
    /// this kind, rather than kept beside it.
    #[inline]
    pub const fn is_joined_in(self, kind: MapKind) -> bool {
        Self::JOINED_IN[self as usize] & (kind as u8) != 0
    }

    /// The known name with this number, if there is one.
    #[inline]
    pub(super) fn from_number(number: u8) -> Option<Known> {
        Self::ALL.get(usize::from(number)).copied()
    }
}
