//! Writes a message of events: fields as they come, messages in each other when they end.
//!
//! Fields that the type does not have are passed over with all that is in them. What is wrong is noted with its place
//! in the message, and the rest goes on, so that the last fault is the one that is told.

mod faults;
mod openings;
mod values;

use std::collections::HashSet;
use std::sync::Arc;

use super::node::Collector;
use super::{dynamic, scalar};
use crate::descriptor::{Field, Kind, Message, MessageId, Pool};

use crate::json::{Events, Scalar, Shape};
use crate::wire::put_bytes;

pub(super) use faults::Fault;

/// How requests are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Whether names of enums may come in any case.
    pub any_case_enums: bool,
}

/// A field, by its message's type and its place in it.
#[derive(Clone, Copy, Debug)]
struct Slot {
    owner: MessageId,
    number: u32,
}

#[derive(Debug)]
enum Frame {
    /// A message, in a field or at the root.
    Message {
        id: MessageId,
        slot: Option<Slot>,
        out: Vec<u8>,
        /// The groups of fields of which one is set.
        set: Vec<usize>,
        /// An entry of a map, which ends with its value.
        is_entry: bool,
        /// Its place in a list.
        index: usize,
    },
    /// A list in a field, whose members are the field's, and how many messages have begun in it.
    List(Slot, usize),
    /// A map in a field.
    Map(Slot, HashSet<Box<str>>),
}

/// Writes one message.
#[derive(Debug)]
pub(super) struct Writer {
    pool: Arc<Pool>,
    root: MessageId,
    options: Options,
    frames: Vec<Frame>,
    /// What goes on below what has no place.
    ignored_depth: usize,
    /// A tree that is being collected, and the field that it is for.
    collected: Option<(Collector, Option<Slot>)>,
    done: Vec<u8>,
    fault: Option<String>,
}

impl Writer {
    pub(super) fn new(pool: Arc<Pool>, root: MessageId, options: Options) -> Self {
        Writer {
            pool,
            root,
            options,
            frames: Vec::new(),
            ignored_depth: 0,
            collected: None,
            done: Vec::new(),
            fault: None,
        }
    }

    /// What was wrong so far.
    pub(super) fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// How many bytes are written, or held in a tree until they can be.
    pub(super) fn held_bytes(&self) -> usize {
        let frames = self.frames.iter().map(|frame| match frame {
            Frame::Message { out, .. } => out.len(),
            Frame::List(..) | Frame::Map(..) => 0,
        });
        let tree = self.collected.as_ref();
        let tree = tree.map_or(0, |(collector, _)| collector.held_bytes());
        frames.sum::<usize>() + self.done.len() + tree
    }

    /// The message.
    pub(super) fn finish(self) -> Result<Vec<u8>, String> {
        match self.fault {
            Some(fault) => Err(fault),
            None => Ok(self.done),
        }
    }

    fn out(&mut self) -> &mut Vec<u8> {
        let frames = self.frames.iter_mut().rev();
        let mut outs = frames.filter_map(|frame| match frame {
            Frame::Message { out, .. } => Some(out),
            Frame::List(..) | Frame::Map(..) => None,
        });
        outs.next().unwrap_or(&mut self.done)
    }

    /// The field that a name means, or that members of the list are; none where nothing is to be written.
    fn field<'p>(&mut self, pool: &'p Pool, name: &str) -> Option<(MessageId, &'p Field)> {
        let (owner, field) = match self.frames.last()? {
            Frame::List(slot, _) => (slot.owner, pool.message(slot.owner).field(slot.number)),
            Frame::Message { .. } if name.is_empty() => {
                self.wrong_here(Fault::Words("Proto fields must have a name.".to_owned()));
                return None;
            }
            Frame::Message { id, .. } => (*id, pool.message(*id).field_named(name)),
            Frame::Map(slot, _) => return self.entry(pool, *slot, name),
        };
        Some((owner, field?))
    }

    /// Begins an entry of a map; its value's field.
    fn entry<'p>(
        &mut self,
        pool: &'p Pool,
        slot: Slot,
        name: &str,
    ) -> Option<(MessageId, &'p Field)> {
        let map = pool.message(slot.owner).field(slot.number)?;
        let Kind::Message(id) = map.kind else {
            return None;
        };
        if let Some(Frame::Map(_, names)) = self.frames.last_mut()
            && !names.insert(name.into())
        {
            let words = format!("Repeated map key: '{name}' is already set.");
            self.wrong_here(Fault::Words(words));
            return None;
        }
        let key = pool.message(id).field(1)?;
        let mut out = Vec::new();
        let text = Scalar::Text(name.as_bytes());
        if scalar::put(&mut out, pool, (1, key.kind), text, false).is_none() {
            let place = self.place(pool, &["key"]);
            let of = key.kind.name().to_owned();
            self.wrong(&place, Fault::Value(scalar::shown(text), of));
        }
        self.frames.push(Frame::Message {
            id,
            slot: Some(slot),
            out,
            set: Vec::new(),
            is_entry: true,
            index: 0,
        });
        Some((id, pool.message(id).field(2)?))
    }

    /// Ends what ends with what was in it.
    fn end_entry(&mut self) {
        if matches!(
            self.frames.last(),
            Some(Frame::Message { is_entry: true, .. })
        ) {
            self.end_frame();
        }
    }

    fn end_frame(&mut self) {
        match self.frames.pop() {
            Some(Frame::Message {
                slot: Some(slot),
                out,
                ..
            }) => {
                put_bytes(self.out(), slot.number, &out);
                self.end_entry();
            }
            Some(Frame::Message { out, .. }) => self.done = out,
            Some(Frame::Map(..) | Frame::List(..)) => self.end_entry(),
            None => {}
        }
    }

    /// The place of a message that begins in a list.
    fn next_index(&mut self) -> usize {
        match self.frames.last_mut() {
            Some(Frame::List(_, begun)) => {
                *begun += 1;
                *begun - 1
            }
            _ => 0,
        }
    }

    /// Notes that a field of a group is set; false where another one is.
    fn claim(&mut self, message: &Message, field: &Field) -> bool {
        let Some(oneof) = field.oneof else {
            return true;
        };
        let Some(Frame::Message { set, .. }) = self.frames.last_mut() else {
            return true;
        };
        if !set.contains(&oneof) {
            set.push(oneof);
            return true;
        }
        let group = message.oneofs.get(oneof).map_or("", |name| name);
        let words = format!(
            "oneof field '{group}' is already set. Cannot set '{}'",
            field.name
        );
        self.wrong_here(Fault::Value(words, "oneof".to_owned()));
        false
    }
}

impl Events for Writer {
    fn open(&mut self, name: &str, shape: Shape) {
        if self.ignored_depth > 0 {
            self.ignored_depth += 1;
            return;
        }
        if let Some((collector, _)) = &mut self.collected {
            collector.open(name, shape);
            return;
        }
        let pool = Arc::clone(&self.pool);
        if self.frames.is_empty() {
            self.open_root(&pool, shape);
            return;
        }
        let Some((owner, field)) = self.field(&pool, name) else {
            self.ignored_depth = 1;
            return;
        };
        if !self.claim(pool.message(owner), field) {
            self.ignored_depth = 1;
            return;
        }
        if let Err(fault) = self.open_in(&pool, owner, field, shape) {
            self.wrong_here(fault);
            self.ignored_depth = 1;
        }
    }

    fn close(&mut self, _shape: Shape) {
        if self.ignored_depth > 0 {
            self.ignored_depth -= 1;
            if self.ignored_depth == 0 {
                self.end_entry();
            }
            return;
        }
        if let Some((collector, slot)) = &mut self.collected {
            let slot = *slot;
            if let Some(node) = collector.close() {
                self.collected = None;
                let pool = Arc::clone(&self.pool);
                self.end_tree(&pool, &node, slot);
            }
            return;
        }
        self.end_frame();
    }

    fn scalar(&mut self, name: &str, value: Scalar<'_>) {
        if self.ignored_depth > 0 {
            return;
        }
        if let Some((collector, _)) = &mut self.collected {
            collector.scalar(name, value);
            return;
        }
        let pool = Arc::clone(&self.pool);
        if self.frames.is_empty() {
            self.root_scalar(&pool, value);
            return;
        }
        if let Some((owner, field)) = self.field(&pool, name) {
            self.put(&pool, owner, field, name, value);
            self.end_entry();
        }
    }
}
