//! Where messages, lists and maps begin, and trees that can only be written when they are complete.

use std::collections::HashSet;
use std::sync::Arc;

use super::{Fault, Frame, Slot, Writer, dynamic};
use crate::descriptor::{Field, Kind, MessageId, Pool, Special};
use crate::json::Shape;
use crate::request::node::{Collector, Node};
use crate::wire::put_bytes;

impl Writer {
    pub(super) fn not_a_message(&mut self) {
        self.wrong(
            "",
            Fault::Words("Root element must be a message.".to_owned()),
        );
    }

    pub(super) fn open_root(&mut self, pool: &Pool, shape: Shape) {
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
    pub(super) fn open_in(
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
    pub(super) fn end_tree(&mut self, pool: &Arc<Pool>, node: &Node, slot: Option<Slot>) {
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
