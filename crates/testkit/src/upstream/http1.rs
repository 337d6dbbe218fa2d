//! An upstream's connection of HTTP/1: what comes is recorded byte for byte.
//!
//! Requests are read one after another, as HTTP/1 wants. A body that the proxy re-chunks arrives in
//! pieces that depend on timing, so the record holds the decoded body and how it was framed.

use std::io::Write;

use super::record::{Line, Shared};
use crate::message::{Message, Reader, Stop, head_lines, request_framing, word};
use crate::script::{Script, Step};
use crate::wire::Wire;

pub(super) fn serve(shared: &Shared, line: &Line, wire: Wire, script: &Script) {
    let mut reader = Reader::new(wire);
    while let Ok(head) = reader.read_head() {
        let framing = request_framing(&head);
        let mut steps = steps_for(shared, script, &head);
        if !steps
            .iter()
            .any(|step| matches!(step, Step::ReadBody | Step::Early))
        {
            steps.insert(0, Step::ReadBody);
        }
        let mut message = Message::from_head(head, framing);
        let index = shared.begin(line, message.clone());
        let open = play(&mut reader, &mut message, steps);
        shared.finish(index, message, None);
        if !open {
            return;
        }
    }
}

fn steps_for(shared: &Shared, script: &Script, head: &[u8]) -> Vec<Step> {
    let lines = head_lines(head);
    let line = lines.first().copied().unwrap_or_default();
    let method = word(line, 0).unwrap_or_default();
    let target = word(line, 1).unwrap_or_default();
    let path = target.split('?').next().unwrap_or_default();
    let times = shared.times_asked(path);
    script.steps(path, times).unwrap_or_else(|| {
        let body = format!("{}: {method} {target}\n", shared.name);
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let shown = if method == "HEAD" { "" } else { &body };
        vec![Step::Send((head + shown).into_bytes())]
    })
}

/// Plays the steps; what they read becomes the message's body. Gives whether the connection is
/// still of use.
pub(super) fn play(reader: &mut Reader<Wire>, message: &mut Message, steps: Vec<Step>) -> bool {
    for step in steps {
        let open = match step {
            Step::ReadBody => {
                reader.read_body(message);
                message.cut_short.is_none()
            }
            Step::Send(bytes) => {
                let wire = reader.stream_mut();
                wire.write_all(&bytes).is_ok() && wire.flush().is_ok()
            }
            Step::Early => true,
            Step::Take(length) => {
                let (bytes, stop) = reader.take_bytes(length);
                message.body.extend(bytes);
                message.cut_short = stop;
                message.cut_short.is_none()
            }
            Step::TakeRest => {
                let (bytes, stop) = reader.read_rest();
                message.body.extend(bytes);
                stop == Stop::Closed
            }
            Step::HalfClose => {
                reader.stream_mut().half_close();
                true
            }
            Step::AwaitClose => {
                let _ = reader.read_rest();
                false
            }
            Step::Close => {
                reader.stream_mut().close();
                false
            }
            Step::Reset => {
                reader.stream_mut().reset();
                false
            }
        };
        if !open {
            return false;
        }
    }
    true
}
