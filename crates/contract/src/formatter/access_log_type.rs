//! At which moment of a stream's life a line is logged (`envoy.data.accesslog.v3.AccessLogType`).

/// The moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum AccessLogType {
    /// Not said.
    #[default]
    NotSet = 0,
    /// A TCP proxy session got its upstream connection.
    TcpUpstreamConnected = 1,
    /// While a TCP proxy session lives, every so often.
    TcpPeriodic = 2,
    /// A TCP connection ended.
    TcpConnectionEnd = 3,
    /// An HTTP request came.
    DownstreamStart = 4,
    /// While an HTTP stream lives, every so often.
    DownstreamPeriodic = 5,
    /// An HTTP stream ended.
    DownstreamEnd = 6,
    /// An upstream request got its connection.
    UpstreamPoolReady = 7,
    /// While an upstream request lives, every so often.
    UpstreamPeriodic = 8,
    /// An upstream request ended.
    UpstreamEnd = 9,
    /// A tunnel was made for the client.
    DownstreamTunnelSuccessfullyEstablished = 10,
    /// A UDP tunnel got its upstream connection.
    UdpTunnelUpstreamConnected = 11,
    /// While a UDP session lives, every so often.
    UdpPeriodic = 12,
    /// A UDP session ended.
    UdpSessionEnd = 13,
    /// A TCP connection began.
    TcpConnectionStart = 14,
}

impl AccessLogType {
    /// As `%ACCESS_LOG_TYPE%` shows it.
    pub const fn as_str(self) -> &'static str {
        match self {
            AccessLogType::NotSet => "NotSet",
            AccessLogType::TcpUpstreamConnected => "TcpUpstreamConnected",
            AccessLogType::TcpPeriodic => "TcpPeriodic",
            AccessLogType::TcpConnectionEnd => "TcpConnectionEnd",
            AccessLogType::DownstreamStart => "DownstreamStart",
            AccessLogType::DownstreamPeriodic => "DownstreamPeriodic",
            AccessLogType::DownstreamEnd => "DownstreamEnd",
            AccessLogType::UpstreamPoolReady => "UpstreamPoolReady",
            AccessLogType::UpstreamPeriodic => "UpstreamPeriodic",
            AccessLogType::UpstreamEnd => "UpstreamEnd",
            AccessLogType::DownstreamTunnelSuccessfullyEstablished => {
                "DownstreamTunnelSuccessfullyEstablished"
            }
            AccessLogType::UdpTunnelUpstreamConnected => "UdpTunnelUpstreamConnected",
            AccessLogType::UdpPeriodic => "UdpPeriodic",
            AccessLogType::UdpSessionEnd => "UdpSessionEnd",
            AccessLogType::TcpConnectionStart => "TcpConnectionStart",
        }
    }
}
