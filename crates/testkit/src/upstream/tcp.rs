//! An upstream's connection of bytes: plays its steps, then reads on until the proxy closes.

use super::http1::play;
use super::record::{Line, Shared};
use crate::message::{Framing, Message, Reader, Stop};
use crate::script::Step;
use crate::wire::Wire;

pub(super) fn serve(shared: &Shared, line: &Line, wire: Wire, steps: &[Step]) {
    let mut reader = Reader::new(wire);
    reader.tell_resets();
    let mut message = Message::from_head(Vec::new(), Framing::UntilClose);
    let index = shared.begin(line, message.clone());
    let end = if play(&mut reader, &mut message, steps.to_vec()) {
        let (bytes, stop) = reader.read_rest();
        message.body.extend(bytes);
        reader.stream_mut().close();
        match stop {
            Stop::Closed => "closed by the proxy".to_owned(),
            Stop::Reset => "reset by the proxy".to_owned(),
            other => format!("ended: {other:?}"),
        }
    } else {
        "ended by its script".to_owned()
    };
    message.cut_short = None;
    shared.finish(index, message, Some(end));
}
