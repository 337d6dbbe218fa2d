//! `cluster_manager.outlier_detection.event_log_path`: a line of JSON for each host that is ejected or comes back, an
//! `OutlierDetectionEvent` with the fields that Envoy writes.
//!
//! The file is opened when the configuration is loaded, is one of the access logs' files, and is written, flushed and
//! opened anew as they are.

use std::rc::Rc;
use std::sync::Arc;
use std::time::SystemTime;

use nuncio_contract::access_log::LineLog;
use nuncio_contract::stream_info::FilterStateObject;
use nuncio_upstream::outlier_detection::{Cause, Event, Rates, What};
use nuncio_upstream::outlier_watch::EventLog;

use crate::admin::rfc3339;
use crate::json::push_string;

/// Writes what happens to these lines.
pub(crate) fn writing(lines: Arc<dyn LineLog>) -> EventLog {
    Rc::new(move |cluster, event| lines.write(line(cluster, event, SystemTime::now()).as_bytes()))
}

/// The line.
fn line(cluster: &str, event: &Event, now: SystemTime) -> String {
    let (cause, action, is_enforced) = match event.what {
        What::Ejected {
            cause, is_enforced, ..
        } => (cause, "EJECT", is_enforced),
        // The type that protobuf takes for none.
        What::Unejected => (Cause::Consecutive5xx, "UNEJECT", false),
    };
    let (kind, time) = (name(cause), rfc3339(now));
    let mut line = format!(r#"{{"type":"{kind}","timestamp":"{time}""#);
    if let Some(since) = event.since {
        line += &format!(r#","secs_since_last_action":"{}""#, since.as_secs());
    }
    line += r#","cluster_name":"#;
    push_string(&mut line, cluster);
    line += r#","upstream_url":"#;
    let address = event.address.serialize_as_string();
    push_string(&mut line, &address.unwrap_or_default());
    line += &format!(
        r#","action":"{action}","num_ejections":{},"enforced":{is_enforced}"#,
        event.ejections
    );
    if let What::Ejected { cause, rates, .. } = event.what {
        line += &details(cause, rates);
    }
    line.push_str("}\n");
    line
}

const fn name(cause: Cause) -> &'static str {
    match cause {
        Cause::Consecutive5xx => "CONSECUTIVE_5XX",
        Cause::ConsecutiveGatewayFailure => "CONSECUTIVE_GATEWAY_FAILURE",
        Cause::ConsecutiveLocalOriginFailure => "CONSECUTIVE_LOCAL_ORIGIN_FAILURE",
        Cause::SuccessRate => "SUCCESS_RATE",
        Cause::LocalOriginSuccessRate => "SUCCESS_RATE_LOCAL_ORIGIN",
        Cause::FailurePercentage => "FAILURE_PERCENTAGE",
        Cause::LocalOriginFailurePercentage => "FAILURE_PERCENTAGE_LOCAL_ORIGIN",
        Cause::Degraded => "DEGRADED",
    }
}

fn details(cause: Cause, rates: Rates) -> String {
    let host = whole(rates.host);
    match cause {
        Cause::SuccessRate | Cause::LocalOriginSuccessRate => format!(
            r#","eject_success_rate_event":{{"host_success_rate":{host},"cluster_average_success_rate":{},"cluster_success_rate_ejection_threshold":{}}}"#,
            whole(rates.average),
            whole(rates.threshold)
        ),
        Cause::FailurePercentage | Cause::LocalOriginFailurePercentage => {
            format!(r#","eject_failure_percentage_event":{{"host_success_rate":{host}}}"#)
        }
        _ => r#","eject_consecutive_event":{}"#.to_owned(),
    }
}

/// Its whole part, which is all that the message has room for; what is below 0 is none.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "what is out of range saturates"
)]
fn whole(percent: f64) -> u32 {
    percent as u32
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn event(what: What, since: Option<u64>) -> Event {
        Event {
            address: SocketAddr::from(([127, 0, 0, 1], 31001)).into(),
            ejections: 1,
            since: since.map(Duration::from_secs),
            what,
        }
    }

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(1_795_688_598_418)
    }

    fn ejected(cause: Cause) -> What {
        What::Ejected {
            cause,
            is_enforced: true,
            rates: Rates {
                host: 0.0,
                average: 66.7,
                threshold: 19.9,
            },
        }
    }

    #[test]
    fn an_ejection_is_told_with_what_led_to_it() {
        assert_eq!(
            line("c", &event(ejected(Cause::Consecutive5xx), None), now()),
            r#"{"type":"CONSECUTIVE_5XX","timestamp":"2026-11-26T10:23:18.418Z","cluster_name":"c","upstream_url":"127.0.0.1:31001","action":"EJECT","num_ejections":1,"enforced":true,"eject_consecutive_event":{}}"#.to_owned() + "\n"
        );
        let by_rate = line("c", &event(ejected(Cause::SuccessRate), None), now());
        assert!(by_rate.trim_end().ends_with(r#""eject_success_rate_event":{"host_success_rate":0,"cluster_average_success_rate":66,"cluster_success_rate_ejection_threshold":19}}"#));
        let by_failures = line("c", &event(ejected(Cause::FailurePercentage), None), now());
        assert!(
            by_failures
                .trim_end()
                .ends_with(r#""eject_failure_percentage_event":{"host_success_rate":0}}"#)
        );
    }

    #[test]
    fn a_host_that_is_back_is_told_without_a_reason() {
        assert_eq!(
            line("a \"c\"", &event(What::Unejected, Some(1)), now()),
            r#"{"type":"CONSECUTIVE_5XX","timestamp":"2026-11-26T10:23:18.418Z","secs_since_last_action":"1","cluster_name":"a \"c\"","upstream_url":"127.0.0.1:31001","action":"UNEJECT","num_ejections":1,"enforced":false}"#.to_owned() + "\n"
        );
    }
}
