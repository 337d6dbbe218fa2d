//! The whole answer to a call, for those who can do nothing with a part of it.

use std::future::poll_fn;

use super::{CallEvent, HttpCall};
use crate::headers::HeaderMap;

/// The longest body of an answer that is kept, as in Envoy.
pub const MAX_ANSWER_BYTES: usize = 32 << 20;

/// A complete answer.
#[derive(Debug)]
pub struct CallAnswer {
    /// Its head.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
}

impl CallAnswer {
    /// Its status; 0 if it has none that is a number.
    pub fn status(&self) -> u16 {
        let text = self.headers.get_str(crate::headers::Known::Status);
        text.and_then(|text| text.parse().ok()).unwrap_or(0)
    }
}

/// Takes all that comes; none if the answer breaks off or is too long.
pub async fn collect(mut call: Box<dyn HttpCall>) -> Option<CallAnswer> {
    let mut answer = CallAnswer {
        headers: HeaderMap::response(),
        body: Vec::new(),
    };
    loop {
        let is_complete = match poll_fn(|cx| call.poll_next(cx)).await {
            CallEvent::Head {
                headers,
                end_stream,
            } => {
                answer.headers = headers;
                end_stream
            }
            CallEvent::Data { data, end_stream } => {
                if answer.body.len() + data.len() > MAX_ANSWER_BYTES {
                    return None;
                }
                answer.body.extend_from_slice(data.readable());
                end_stream
            }
            CallEvent::Trailers(_) => true,
            CallEvent::Reset => return None,
        };
        if is_complete {
            return Some(answer);
        }
    }
}
