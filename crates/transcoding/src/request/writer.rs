//! Writes a message of events: fields as they come, messages in each other when they end.
//!
//! Fields that the type does not have are passed over with all that is in them. What is wrong is noted with its place
//! in the message, and the rest goes on, so that the last fault is the one that is told.

use std::collections::HashSet;
use std::sync::Arc;

use super::dynamic::{self, TYPE_URL};
use super::node::{Collector, Node};
use super::{field_mask, scalar, times};
use crate::descriptor::{Field, Kind, Message, MessageId, Pool, Special};
use crate::json::{Events, Scalar, Shape};
use crate::wire::put_bytes;

/// How requests are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Whether names of enums may come in any case.
    pub any_case_enums: bool,
}

/// What is wrong.
pub(super) enum Fault {
    /// A value that is none of a type.
    Value(String, String),
    /// Anything else, at a place.
    Words(String),
    /// The whole of what is told.
    Whole(String),
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

    /// The place that is being written, with these steps behind it.
    fn place(&self, pool: &Pool, steps: &[&str]) -> String {
        let mut place = String::new();
        for frame in &self.frames {
            let (slot, index) = match frame {
                Frame::Message {
                    slot: Some(slot),
                    is_entry: false,
                    index,
                    ..
                } => (slot, *index),
                Frame::Map(slot, names) => (slot, names.len().saturating_sub(1)),
                Frame::Message { .. } | Frame::List(..) => continue,
            };
            if let Some(field) = pool.message(slot.owner).field(slot.number) {
                step(
                    &mut place,
                    &step_of(field, field.is_repeated.then_some(index)),
                );
            }
        }
        for name in steps {
            step(&mut place, name);
        }
        place
    }

    fn wrong(&mut self, place: &str, fault: Fault) {
        self.fault = Some(match fault {
            Fault::Value(value, of) => format!("{place}: invalid value {value} for type {of}"),
            Fault::Words(words) => format!("{place}: {words}"),
            Fault::Whole(whole) => whole,
        });
    }

    fn wrong_here(&mut self, fault: Fault) {
        let pool = Arc::clone(&self.pool);
        let place = self.place(&pool, &[]);
        self.wrong(&place, fault);
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

    /// A step to a field, and to the member of its list that is being written.
    fn step_to(&self, field: &Field) -> String {
        let index = match self.frames.last() {
            Some(Frame::List(_, begun)) => Some(begun.saturating_sub(1)),
            _ => None,
        };
        step_of(field, index)
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

    /// A value without members in a field.
    fn put(&mut self, pool: &Pool, owner: MessageId, field: &Field, name: &str, value: Scalar<'_>) {
        let Some(bytes) = self.scalar_of(pool, field, name, value) else {
            return;
        };
        if self.claim(pool.message(owner), field) {
            match bytes {
                Bytes::Field(bytes) => self.out().extend_from_slice(&bytes),
                Bytes::Message(bytes) => put_bytes(self.out(), field.number, &bytes),
            }
        }
    }

    fn scalar_of(
        &mut self,
        pool: &Pool,
        field: &Field,
        name: &str,
        value: Scalar<'_>,
    ) -> Option<Bytes> {
        let any_case = self.options.any_case_enums;
        let result = match field.kind {
            Kind::Message(id) => match pool.message(id).special {
                Special::Value => Ok(Bytes::Message(dynamic::scalar(value))),
                _ if value == Scalar::Null => return None,
                Special::Wrapper => {
                    let inner = pool.message(id).field(1)?;
                    let mut out = Vec::new();
                    match scalar::put(&mut out, pool, (1, inner.kind), value, any_case) {
                        Some(()) => Ok(Bytes::Message(out)),
                        None => {
                            let place = self.place(pool, &[&self.step_to(field), "value"]);
                            let of = type_name(pool, inner.kind);
                            self.wrong(&place, Fault::Value(scalar::shown(value), of));
                            return None;
                        }
                    }
                }
                special => match special_text(special, value) {
                    Some(result) => result
                        .map(Bytes::Message)
                        .map_err(|words| format!("Field '{name}', {words}")),
                    None => Err(scalar::shown(value)),
                },
            },
            Kind::Enum(id) if value == Scalar::Null => {
                if *pool.enumeration(id).name != *"google.protobuf.NullValue" {
                    return None;
                }
                let mut out = Vec::new();
                let zero = Scalar::Uint(0);
                scalar::put(&mut out, pool, (field.number, field.kind), zero, false)?;
                Ok(Bytes::Field(out))
            }
            _ if value == Scalar::Null => return None,
            kind => {
                let mut out = Vec::new();
                match scalar::put(&mut out, pool, (field.number, kind), value, any_case) {
                    Some(()) => Ok(Bytes::Field(out)),
                    None => Err(scalar::shown(value)),
                }
            }
        };
        result
            .map_err(|shown| {
                let place = self.place(pool, &[&self.step_to(field)]);
                self.wrong(&place, Fault::Value(shown, type_name(pool, field.kind)));
            })
            .ok()
    }

    /// A value without members in the place of the whole message.
    fn root_scalar(&mut self, pool: &Pool, value: Scalar<'_>) {
        let message = pool.message(self.root);
        match message.special {
            Special::Wrapper if value == Scalar::Null => {}
            Special::Wrapper => {
                let Some(field) = message.field(1) else {
                    return;
                };
                self.put(pool, self.root, field, "value", value);
            }
            Special::Value => self.done = dynamic::scalar(value),
            special => match special_text(special, value) {
                Some(Ok(bytes)) => self.done = bytes,
                Some(Err(words)) => self.wrong("", Fault::Value(words, "Any".to_owned())),
                None => self.not_a_message(),
            },
        }
    }

    fn not_a_message(&mut self) {
        self.wrong(
            "",
            Fault::Words("Root element must be a message.".to_owned()),
        );
    }

    fn open_root(&mut self, pool: &Pool, shape: Shape) {
        match (pool.message(self.root).special, shape) {
            (Special::Struct | Special::Any, Shape::Object)
            | (Special::Value, _)
            | (Special::ListValue, Shape::List) => self.collect(None, "", shape),
            (_, Shape::Object) => self.frames.push(Frame::Message {
                id: self.root,
                slot: None,
                out: Vec::new(),
                set: Vec::new(),
                is_entry: false,
                index: 0,
            }),
            (_, Shape::List) => {
                self.not_a_message();
                self.ignored_depth = 1;
            }
        }
    }

    fn collect(&mut self, slot: Option<Slot>, name: &str, shape: Shape) {
        let mut collector = Collector::default();
        collector.open(name, shape);
        self.collected = Some((collector, slot));
    }

    /// Begins what has members in a field; what is wrong with that.
    fn open_in(
        &mut self,
        pool: &Pool,
        owner: MessageId,
        field: &Field,
        shape: Shape,
    ) -> Result<(), Fault> {
        let slot = Slot {
            owner,
            number: field.number,
        };
        let is_in_list = matches!(self.frames.last(), Some(Frame::List(..)));
        let of = match field.kind {
            Kind::Message(id) => Some((id, pool.message(id))),
            _ => None,
        };
        let is_map = field.is_repeated && of.is_some_and(|(_, message)| message.is_map_entry);
        let special = of.map(|(_, message)| message.special).unwrap_or_default();
        match (shape, special) {
            (Shape::List, _) if is_map => {
                let words = format!("Cannot bind a list to map for field '{}'.", field.name);
                Err(Fault::Value(words, "Map".to_owned()))
            }
            (Shape::List, Special::Value | Special::ListValue)
                if is_in_list || !field.is_repeated =>
            {
                self.collect(Some(slot), "", shape);
                Ok(())
            }
            (Shape::List, _) if field.is_repeated => {
                self.frames.push(Frame::List(slot, 0));
                Ok(())
            }
            (Shape::List, _) => Err(Fault::Words(
                "Proto field is not repeating, cannot start list.".to_owned(),
            )),
            (Shape::Object, _) if is_map => {
                self.frames.push(Frame::Map(slot, HashSet::new()));
                Ok(())
            }
            (Shape::Object, Special::Struct | Special::Value | Special::Any) => {
                self.collect(Some(slot), "", shape);
                Ok(())
            }
            (Shape::Object, _) => match of {
                Some((id, _)) => {
                    let index = self.next_index();
                    self.frames.push(Frame::Message {
                        id,
                        slot: Some(slot),
                        out: Vec::new(),
                        set: Vec::new(),
                        is_entry: false,
                        index,
                    });
                    Ok(())
                }
                None => Err(Fault::Value(
                    "Starting an object on a scalar field".to_owned(),
                    field.name.to_string(),
                )),
            },
        }
    }

    /// Writes a tree that is complete.
    fn end_tree(&mut self, pool: &Arc<Pool>, node: &Node, slot: Option<Slot>) {
        let message = match slot {
            None => Some(self.root),
            Some(slot) => match pool.message(slot.owner).field(slot.number) {
                Some(Field {
                    kind: Kind::Message(id),
                    ..
                }) => Some(*id),
                _ => None,
            },
        };
        let Some(message) = message else {
            return;
        };
        let owner = slot.map_or(self.root, |slot| slot.owner);
        let tree = match pool.message(message).special {
            Special::Value => Some(dynamic::value(node)),
            Special::Struct => Some(dynamic::structure(node)),
            Special::ListValue => Some(dynamic::list(node)),
            _ => None,
        };
        let bytes = match tree {
            Some(Ok(bytes)) => bytes,
            Some(Err((inner, words))) => {
                let field = slot.and_then(|slot| pool.message(slot.owner).field(slot.number));
                let step = field.map(|field| self.step_to(field)).unwrap_or_default();
                let place = self.place(pool, &[&step, &inner]);
                self.wrong(&place, Fault::Words(words));
                Vec::new()
            }
            None => match dynamic::any(pool, self.options, node, &pool.message(owner).name) {
                Ok(bytes) => bytes,
                Err(fault) => {
                    let field = slot.and_then(|slot| pool.message(slot.owner).field(slot.number));
                    let step = field.map(|field| self.step_to(field)).unwrap_or_default();
                    let place = self.place(pool, &[&step]);
                    self.wrong(&place, fault);
                    Vec::new()
                }
            },
        };
        match slot {
            Some(slot) => {
                put_bytes(self.out(), slot.number, &bytes);
                self.end_entry();
            }
            None => self.done = bytes,
        }
    }
}

enum Bytes {
    /// A field with its number.
    Field(Vec<u8>),
    /// A message for the field.
    Message(Vec<u8>),
}

fn step(place: &mut String, name: &str) {
    if !place.is_empty() && !name.is_empty() {
        place.push('.');
    }
    place.push_str(name);
}

fn step_of(field: &Field, index: Option<usize>) -> String {
    match index {
        Some(index) => format!("{}[{index}]", field.name),
        None => field.name.to_string(),
    }
}

/// A type as words of errors have it.
fn type_name(pool: &Pool, kind: Kind) -> String {
    match kind {
        Kind::Message(id) => format!("{TYPE_URL}{}", pool.message(id).name),
        Kind::Enum(id) => format!("{TYPE_URL}{}", pool.enumeration(id).name),
        _ => kind.name().to_owned(),
    }
}

/// The message that a text is a form of; none for messages without such a form.
fn special_text(special: Special, value: Scalar<'_>) -> Option<Result<Vec<u8>, String>> {
    type Read = fn(&str) -> Result<Vec<u8>, String>;
    let (what, read): (_, Read) = match special {
        Special::Timestamp => ("timestamp", times::timestamp),
        Special::Duration => ("duration", times::duration),
        Special::FieldMask => ("field mask", field_mask::message),
        _ => return None,
    };
    let text = match value {
        Scalar::Text(text) => str::from_utf8(text).ok(),
        _ => None,
    };
    Some(match text {
        Some(text) => read(text),
        None => {
            let shown = scalar::shown(value);
            Err(format!("Invalid data type for {what}, value is {shown}"))
        }
    })
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
