//! The messages of the ZooKeeper proxy.

use std::sync::Arc;
use std::time::Duration;

use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_config::{enumeration, message};
use nuncio_contract::network_filter::NetworkFilterConfig;

use super::opcode::Op;

const DEFAULT_MAX_PACKET_BYTES: u32 = 1024 * 1024;
const DEFAULT_THRESHOLD: Duration = Duration::from_millis(100);

message! {
    /// The filter's config.
    pub(super) struct ZooKeeperProxy: "envoy.extensions.filters.network.zookeeper_proxy.v3.ZooKeeperProxy" {
        stat_prefix: String,
        max_packet_bytes: Option<u32>,
        enable_latency_threshold_metrics: bool,
        default_latency_threshold: Option<Duration>,
        latency_threshold_overrides: Vec<ThresholdOverride>,
        enable_per_opcode_request_bytes_metrics: bool,
        enable_per_opcode_response_bytes_metrics: bool,
        enable_per_opcode_decoder_error_metrics: bool,
    }
}

message! {
    /// How long answers to an operation may take to be fast.
    struct ThresholdOverride: "envoy.extensions.filters.network.zookeeper_proxy.v3.LatencyThresholdOverride" {
        opcode: Opcode,
        threshold: Duration,
    }
}

enumeration! {
    /// An operation.
    enum Opcode: "envoy.extensions.filters.network.zookeeper_proxy.v3.LatencyThresholdOverride.Opcode" {
        Connect => Connect,
        Create => Create,
        Delete => Delete,
        Exists => Exists,
        GetData => GetData,
        SetData => SetData,
        GetAcl => GetAcl,
        SetAcl => SetAcl,
        GetChildren => GetChildren,
        Sync => Sync,
        Ping => Ping,
        GetChildren2 => GetChildren2,
        Check => Check,
        Multi => Multi,
        Create2 => Create2,
        Reconfig => Reconfig,
        CheckWatches => CheckWatches,
        RemoveWatches => RemoveWatches,
        CreateContainer => CreateContainer,
        CreateTtl => CreateTtl,
        Close => Close,
        SetAuth => SetAuth,
        SetWatches => SetWatches,
        GetEphemerals => GetEphemerals,
        GetAllChildrenNumber => GetAllChildrenNumber,
        SetWatches2 => SetWatches2,
        AddWatch => AddWatch,
    }
}

/// The compiled config, shared by the workers.
pub(super) struct Settings {
    pub(super) stat_prefix: Box<str>,
    pub(super) max_packet_bytes: usize,
    /// By the places of operations; none where nobody wants to know.
    pub(super) thresholds: Option<Box<[Duration]>>,
    pub(super) counts_request_bytes: bool,
    pub(super) counts_answer_bytes: bool,
    pub(super) counts_errors: bool,
}

/// What the chain holds.
pub(super) struct Config(pub(super) Arc<Settings>);

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn NetworkFilterConfig>, Refused> {
    let message: ZooKeeperProxy = any.decode(ctx)?;
    let thresholds = thresholds(&message, ctx)?;
    let most = message.max_packet_bytes.unwrap_or(DEFAULT_MAX_PACKET_BYTES);
    Ok(Arc::new(Config(Arc::new(Settings {
        stat_prefix: message.stat_prefix.as_str().into(),
        max_packet_bytes: usize::try_from(most).unwrap_or(usize::MAX),
        thresholds: message
            .enable_latency_threshold_metrics
            .then_some(thresholds),
        counts_request_bytes: message.enable_per_opcode_request_bytes_metrics,
        counts_answer_bytes: message.enable_per_opcode_response_bytes_metrics,
        counts_errors: message.enable_per_opcode_decoder_error_metrics,
    }))))
}

fn thresholds(message: &ZooKeeperProxy, ctx: &mut Ctx) -> Result<Box<[Duration]>, Refused> {
    let default = message.default_latency_threshold;
    let mut thresholds = vec![default.unwrap_or(DEFAULT_THRESHOLD); Op::ALL.len()];
    let mut seen = [false; Op::ALL.len()];
    for each in &message.latency_threshold_overrides {
        let (number, op) = each.opcode.number_and_op();
        if let Some(seen) = seen.get_mut(op.index())
            && std::mem::replace(seen, true)
        {
            let text = format!("Duplicated opcode find in config: {number}");
            ctx.error(each.span(), text);
            return Err(Refused);
        }
        if let Some(threshold) = thresholds.get_mut(op.index()) {
            *threshold = each.threshold;
        }
    }
    Ok(thresholds.into())
}

impl Opcode {
    /// Its number in the API, and the operation.
    const fn number_and_op(&self) -> (u32, Op) {
        match self {
            Opcode::Connect => (0, Op::Connect),
            Opcode::Create => (1, Op::Create),
            Opcode::Delete => (2, Op::Delete),
            Opcode::Exists => (3, Op::Exists),
            Opcode::GetData => (4, Op::GetData),
            Opcode::SetData => (5, Op::SetData),
            Opcode::GetAcl => (6, Op::GetAcl),
            Opcode::SetAcl => (7, Op::SetAcl),
            Opcode::GetChildren => (8, Op::GetChildren),
            Opcode::Sync => (9, Op::Sync),
            Opcode::Ping => (10, Op::Ping),
            Opcode::GetChildren2 => (11, Op::GetChildren2),
            Opcode::Check => (12, Op::Check),
            Opcode::Multi => (13, Op::Multi),
            Opcode::Create2 => (14, Op::Create2),
            Opcode::Reconfig => (15, Op::Reconfig),
            Opcode::CheckWatches => (16, Op::CheckWatches),
            Opcode::RemoveWatches => (17, Op::RemoveWatches),
            Opcode::CreateContainer => (18, Op::CreateContainer),
            Opcode::CreateTtl => (19, Op::CreateTtl),
            Opcode::Close => (20, Op::Close),
            Opcode::SetAuth => (21, Op::SetAuth),
            Opcode::SetWatches => (22, Op::SetWatches),
            Opcode::GetEphemerals => (23, Op::GetEphemerals),
            Opcode::GetAllChildrenNumber => (24, Op::GetAllChildrenNumber),
            Opcode::SetWatches2 => (25, Op::SetWatches2),
            Opcode::AddWatch => (26, Op::AddWatch),
        }
    }
}
