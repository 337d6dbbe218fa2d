//! `ClientSideWeightedRoundRobin`, alone and below `WrrLocality`.

use std::time::Duration;

use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_contract::metadata_message::struct_of;

use super::messages::{ClientSideWeightedRoundRobin, SlowStart, WrrLocality};
use super::{Chosen, FAMILY, by_extension, settings};
use crate::load_balancing::{LbPolicy, LocalityBalancing};
use crate::load_reports::{LoadReports, OutOfBand};

pub(super) const NAME: &str = "client_side_weighted_round_robin.v3.ClientSideWeightedRoundRobin";

/// How often hosts are to report out of band.
const REPORTING_PERIOD: Duration = Duration::from_secs(10);
/// Weights come into force no more often than this.
const LEAST_PERIOD: Duration = Duration::from_millis(100);

pub(super) fn read(any: &Any, ctx: &mut Ctx) -> Result<Chosen, Refused> {
    let message: ClientSideWeightedRoundRobin = any.decode(ctx)?;
    let out_of_band = message.enable_oob_load_report == Some(true);
    let out_of_band = out_of_band.then(|| out_of_band_of(&message));
    let slow_start = message.slow_start_config.as_ref();
    let seconds =
        |duration: Option<Duration>, default| duration.unwrap_or(Duration::from_secs(default));
    Ok(Chosen {
        policy: LbPolicy::RoundRobin {
            slow_start: slow_start.and_then(SlowStart::compile),
        },
        locality: LocalityBalancing::ZoneAware(settings::ZoneAware::default()),
        subset: None,
        override_hosts: None,
        reports: Some(LoadReports {
            blackout: seconds(message.blackout_period, 10),
            expiration: seconds(message.weight_expiration_period, 180),
            update_period: seconds(message.weight_update_period, 1).max(LEAST_PERIOD),
            error_penalty: message.error_utilization_penalty.unwrap_or(0.0),
            metrics: message.metric_names_for_computing_utilization,
            out_of_band,
        }),
    })
}

fn out_of_band_of(message: &ClientSideWeightedRoundRobin) -> OutOfBand {
    let period = message.oob_reporting_period;
    let ways = message.oob_reporting_config.as_ref();
    let criteria = ways.and_then(|ways| ways.transport_socket_match_criteria.as_ref());
    OutOfBand {
        period: period
            .filter(|period| *period >= Duration::from_millis(1))
            .unwrap_or(REPORTING_PERIOD),
        port: ways.map_or(0, |ways| ways.port_value),
        authority: ways.map_or("", |ways| &ways.authority).into(),
        socket_criteria: criteria.map(|criteria| struct_of(criteria)),
    }
}

pub(super) fn read_by_locality(any: &Any, cluster: &str, ctx: &mut Ctx) -> Result<Chosen, Refused> {
    let message: WrrLocality = any.decode(ctx)?;
    let below = &message.endpoint_picking_policy;
    let Some(policy) = below.known() else {
        ctx.error(below.span(), "No supported endpoint picking policy.");
        return Err(Refused);
    };
    if policy.type_name().strip_prefix(FAMILY) != Some(NAME) {
        let text = "Currently WrrLocalityLoadBalancer only supports ClientSideWeightedRoundRobinLoadBalancer as its endpoint picking policy.";
        ctx.error(policy.span, text);
        return Err(Refused);
    }
    Ok(Chosen {
        locality: LocalityBalancing::Weighted,
        ..by_extension(policy, cluster, ctx)?
    })
}
