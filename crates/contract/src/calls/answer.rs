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

/// Takes all that comes; none if the answer breaks off or is longer than [`MAX_ANSWER_BYTES`].
pub async fn collect(call: Box<dyn HttpCall>) -> Option<CallAnswer> {
    collect_at_most(call, MAX_ANSWER_BYTES).await
}

/// Takes all that comes; none if the answer breaks off or its body is longer than this, which ends the call.
pub async fn collect_at_most(mut call: Box<dyn HttpCall>, most_bytes: usize) -> Option<CallAnswer> {
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
                if answer.body.len() + data.len() > most_bytes {
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;
    use std::task::{Context, Poll, Waker};

    use super::*;
    use crate::buffer::Buffer;

    /// Gives so many parts of ten bytes.
    struct Parts(Rc<Cell<u32>>);

    impl HttpCall for Parts {
        fn send(&mut self, _data: &[u8], _end_stream: bool) {}

        fn unsent_bytes(&self) -> usize {
            0
        }

        fn poll_next(&mut self, _cx: &mut Context<'_>) -> Poll<CallEvent> {
            self.0.set(self.0.get() - 1);
            let mut data = Buffer::new();
            data.extend(b"ten bytes!");
            let end_stream = self.0.get() == 0;
            Poll::Ready(CallEvent::Data { data, end_stream })
        }
    }

    #[test]
    fn no_more_is_taken_of_an_answer_that_is_too_long() {
        let taken = |most| {
            let left = Rc::new(Cell::new(9));
            let collected = Box::pin(collect_at_most(Box::new(Parts(Rc::clone(&left))), most));
            let mut collected = collected;
            let answer = collected
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()));
            let Poll::Ready(answer) = answer else {
                panic!("all has come");
            };
            (answer.map(|answer| answer.body.len()), left.get())
        };
        assert_eq!(taken(90), (Some(90), 0));
        assert_eq!(taken(29), (None, 6));
    }
}
