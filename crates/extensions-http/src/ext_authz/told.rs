//! What the filter leaves in the filter state for logs and other filters: what would have become of a request in
//! `shadow_mode`, at `NAME.shadow`, and how long the service took, at `NAME` (`emit_filter_state_stats`). `NAME` is the
//! filter's in the chain.
//!
//! Differs from Envoy: how many bytes went to a service of gRPC and came back (`bytesSent`, `bytesReceived`) is not
//! told, nor are headers that are none.

use std::any::Any;
use std::time::Duration;

use nuncio_contract::formatter::append_quoted_json;
use nuncio_contract::service_values::text;
use nuncio_contract::stream_info::{FilterState, FilterStateObject};

use super::verdict::Denied;

/// What would have become of a request.
#[derive(Debug)]
pub(super) struct ShadowDecision {
    result: &'static str,
    status: u16,
    headers: Vec<(String, String)>,
}

impl ShadowDecision {
    /// It would have passed.
    pub(super) fn ok() -> Self {
        ShadowDecision {
            result: "OK",
            status: 200,
            headers: Vec::new(),
        }
    }

    /// The client would have got this.
    pub(super) fn denied(denied: &Denied) -> Self {
        let status = denied.shows_status.then(|| denied.status.to_string());
        let status = status.map(|status| (":status".to_owned(), status));
        let headers = denied.headers.list.iter();
        let headers = headers.map(|change| (change.name.to_string(), text(&change.value)));
        ShadowDecision {
            result: "DENIED",
            status: denied.status,
            headers: status.into_iter().chain(headers).collect(),
        }
    }

    /// Nobody could say.
    pub(super) fn error(status: u16) -> Self {
        ShadowDecision {
            result: "ERROR",
            status,
            headers: Vec::new(),
        }
    }

    /// Leaves it for those who ask.
    pub(super) fn leave(self, filter: &str, state: &mut FilterState) {
        state.set(&format!("{filter}.shadow"), Box::new(self));
    }

    fn json(&self, [result, status, headers]: [&str; 3]) -> String {
        let mut json = format!(
            r#"{{"{result}":"{}","{status}":{}"#,
            self.result, self.status
        );
        for (at, (key, value)) in self.headers.iter().enumerate() {
            json += &match at {
                0 => format!(r#","{headers}":[{{"key":{}"#, quoted(key)),
                _ => format!(r#",{{"key":{}"#, quoted(key)),
            };
            if !value.is_empty() {
                json += &format!(r#","value":{}"#, quoted(value));
            }
            json.push('}');
        }
        json += if self.headers.is_empty() { "}" } else { "]}" };
        json
    }
}

fn quoted(text: &str) -> String {
    let mut json = Vec::with_capacity(text.len() + 2);
    append_quoted_json(text.as_bytes(), &mut json);
    String::from_utf8(json).unwrap_or_default()
}

impl FilterStateObject for ShadowDecision {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn serialize_as_string(&self) -> Option<String> {
        Some(self.json(["check_result", "status_code", "response_headers"]))
    }

    fn serialize_as_json(&self) -> Option<String> {
        Some(self.json(["checkResult", "statusCode", "responseHeaders"]))
    }

    fn serialize_within_json(&self) -> Option<String> {
        self.serialize_as_string()
    }

    fn field(&self, name: &str) -> Option<String> {
        match name {
            "check_result" => Some(self.result.to_owned()),
            "status_code" => Some(self.status.to_string()),
            _ => None,
        }
    }
}

/// How the service was asked.
#[derive(Debug, Default)]
pub(super) struct LoggingInfo {
    latency_us: Option<u128>,
}

impl LoggingInfo {
    /// Leaves one for a question that begins; false if another object has its name.
    pub(super) fn leave(filter: &str, state: &mut FilterState) -> bool {
        let is_free = state.get(filter).is_none();
        if is_free {
            state.set(filter, Box::new(LoggingInfo::default()));
        }
        is_free
    }

    /// The service has answered.
    pub(super) fn answered(filter: &str, state: &mut FilterState, took: Duration) {
        if let Some(info) = state.get_mut_as::<LoggingInfo>(filter) {
            info.latency_us = Some(took.as_micros());
        }
    }
}

impl FilterStateObject for LoggingInfo {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn field(&self, name: &str) -> Option<String> {
        let latency = (name == "latency_us").then_some(self.latency_us)?;
        latency.map(|latency| latency.to_string())
    }
}

#[cfg(test)]
mod tests {
    use nuncio_contract::headers::HeaderMap;

    use super::super::verdict::{Changes, How};
    use super::*;

    #[test]
    fn a_decision_is_shown_as_protobuf_shows_it() {
        let mut headers = Changes::default();
        headers.push_to_denial(How::Set, "x-a", b"\"1\"");
        headers.push_to_denial(How::Set, "x-b", b"");
        let denied = Denied {
            status: 401,
            headers,
            shows_status: true,
            ..Denied::default()
        };
        let decision = ShadowDecision::denied(&denied);
        assert_eq!(
            decision.serialize_as_json().as_deref(),
            Some(concat!(
                r#"{"checkResult":"DENIED","statusCode":401,"responseHeaders":["#,
                r#"{"key":":status","value":"401"},{"key":"x-a","value":"\"1\""},{"key":"x-b"}]}"#
            ))
        );
        assert_eq!(
            ShadowDecision::ok().serialize_as_string().as_deref(),
            Some(r#"{"check_result":"OK","status_code":200}"#)
        );
        assert_eq!(decision.field("status_code").as_deref(), Some("401"));
        assert_eq!(decision.field("response_headers"), None);
    }

    #[test]
    fn the_info_of_a_question_takes_no_other_place() {
        let mut state = FilterState::default();
        assert!(LoggingInfo::leave("authz", &mut state));
        let latency = |state: &FilterState| state.get("authz")?.field("latency_us");
        assert_eq!(latency(&state), None);
        LoggingInfo::answered("authz", &mut state, Duration::from_millis(2));
        assert_eq!(latency(&state).as_deref(), Some("2000"));
        assert!(!LoggingInfo::leave("authz", &mut state));
    }

    #[test]
    fn a_full_head_takes_changes_but_no_more_headers() {
        let mut changes = Changes::default();
        changes.push_to_response(How::Set, "x-a", b"2");
        changes.push_to_response(How::AddIfAbsent, "x-a", b"3");
        let mut head = HeaderMap::response();
        head.append_from_wire(b"x-a", b"1");
        assert!(changes.apply(&mut head, &super::super::verdict::RESPONSE_ORDER, 1));
        changes.push_to_response(How::Add, "x-a", b"4");
        assert!(!changes.apply(&mut head, &super::super::verdict::RESPONSE_ORDER, 1));
    }
}
