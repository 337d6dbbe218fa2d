//! What clusters honour of the API.

use nuncio_config::typed::{FromValue, SupportTable};

use super::aggregate::AggregateCluster;
use super::bind::DefaultAddressSelector;
use super::composite::CompositeCluster;
use super::forward_proxy::ForwardProxyCluster;
use super::header_case::PreserveCase;
use super::health_check::messages::{EventFileSink, RedisHealthCheck, ThriftHealthCheck};
use super::http_options::HttpProtocolOptions;
use super::load_balancing;
use super::messages::{Cluster, DnsCluster, RawBuffer};
use super::redis_cluster::RedisClusterConfig;
use super::redis_options::RedisProtocolOptions;
use super::tcp_options::TcpProtocolOptions;
use super::thrift_options::ThriftProtocolOptions;
use super::transport_socket::{
    HttpProxySocket, InternalUpstream, ProxyProtocolSocket, QuicUpstream, StartTls, TapSocket,
    TcpStatsSocket,
};
use super::upstream_config::{GenericHttpPool, GenericTcpPool};
use crate::socket_tree::NameAction;

/// Adds the cluster's message, and those that stand behind an `Any` in it.
pub fn support(table: &mut SupportTable) {
    Cluster::support(table);
    nuncio_contract::gcp_audience::AudienceMessage::support(table);
    DnsCluster::support(table);
    nuncio_contract::dns_resolver::support(table);
    ForwardProxyCluster::support(table);
    AggregateCluster::support(table);
    CompositeCluster::support(table);
    RedisClusterConfig::support(table);
    load_balancing::support(table);
    EventFileSink::support(table);
    RedisHealthCheck::support(table);
    ThriftHealthCheck::support(table);
    DefaultAddressSelector::support(table);
    GenericHttpPool::support(table);
    GenericTcpPool::support(table);
    RawBuffer::support(table);
    NameAction::support(table);
    ProxyProtocolSocket::support(table);
    InternalUpstream::support(table);
    HttpProxySocket::support(table);
    StartTls::support(table);
    TcpStatsSocket::support(table);
    TapSocket::support(table);
    QuicUpstream::support(table);
    nuncio_net::tls::support(table);
    HttpProtocolOptions::support(table);
    RedisProtocolOptions::support(table);
    TcpProtocolOptions::support(table);
    ThriftProtocolOptions::support(table);
    PreserveCase::support(table);
    nuncio_contract::upstream_filters::support(table);
    crate::retry::support(table);
}
