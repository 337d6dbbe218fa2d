//! Requests with wrong values in headers that speak to the router are refused where the configuration wants that.
//!
//! Numbers must be whole ones, conditions of retries known ones; which headers are looked at says
//! `strict_check_headers` (none by default).
//!
//! Follows Envoy's `Router.strict_check_headers`.

use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::stream_info::ResponseFlags;
use nuncio_upstream::retry::{RetryOn, tokens};

use super::Router;
use super::wishes::number;
use crate::downstream::Downstream;
use crate::exchange::Stop;

impl<D: Downstream> Router<'_, '_, D> {
    /// Refuses a request with a wrong value.
    #[cold]
    pub(super) fn check_strictly(&self) -> Result<(), Stop> {
        let state = self.exchange.state.borrow();
        let headers = &self.config.strict_headers;
        let Some(wrong) = headers.iter().find(|it| !is_valid(**it, &state.request)) else {
            return Ok(());
        };
        let name = wrong.as_str();
        let value = state.request.get(*wrong).unwrap_or_default();
        let value = String::from_utf8_lossy(value);
        let body = format!("invalid header '{name}' with value '{value}'");
        let details = format!("request_headers_failed_strict_check{{{name}}}");
        let reply = LocalReply::new(400, body.into_bytes(), details)
            .with_flags(ResponseFlags::INVALID_ENVOY_REQUEST_HEADERS);
        Err(Stop::Reply(Box::new(reply)))
    }
}

fn is_valid(header: Known, request: &HeaderMap) -> bool {
    let Some(value) = request.get(header) else {
        return true;
    };
    match header {
        Known::XEnvoyRetryOn => tokens(value).all(|word| !RetryOn::of_header(word).is_empty()),
        Known::XEnvoyRetryGrpcOn => {
            tokens(value).all(|word| !RetryOn::of_grpc_header(word).is_empty())
        }
        _ => number(value).is_some(),
    }
}
