//! A body of JSON on its way to messages: one, or one for each member of a list where a method takes many.

use std::sync::Arc;

use super::bindings::{Binding, Weaver};
use super::writer::{Options, Writer};
use crate::descriptor::{MessageId, Pool};
use crate::json::{Events, Parser, Scalar, Shape};

/// What a body is to its message.
#[derive(Clone, Debug, Default)]
pub struct Body {
    /// The field that it is for, by its names from the message outwards; empty where it is the message.
    pub path: Vec<Box<str>>,
    /// Whether it is a list of messages.
    pub is_stream: bool,
    /// Whether a field that both body and bindings have a value for is an error.
    pub refuses_collisions: bool,
    /// How it is read.
    pub options: Options,
}

/// Makes messages of a body.
#[derive(Debug)]
pub struct Translator {
    parser: Parser,
    messages: Messages,
    is_fed: bool,
}

/// Makes messages of events.
#[derive(Debug)]
struct Messages {
    pool: Arc<Pool>,
    root: MessageId,
    body: Body,
    /// For the first message.
    bindings: Vec<Binding>,
    current: Option<Weaver<Writer>>,
    /// How deep the member of the list is.
    depth: usize,
    is_list_open: bool,
    fault: Option<String>,
    done: Vec<Vec<u8>>,
}

impl Translator {
    /// One for messages of this type.
    pub fn new(pool: Arc<Pool>, root: MessageId, body: Body, bindings: Vec<Binding>) -> Self {
        Translator {
            parser: Parser::default(),
            messages: Messages {
                pool,
                root,
                body,
                bindings,
                current: None,
                depth: 0,
                is_list_open: false,
                fault: None,
                done: Vec::new(),
            },
            is_fed: false,
        }
    }

    /// The next piece of the body; the messages that are complete by now, or what is wrong.
    pub fn feed(&mut self, chunk: &[u8]) -> Result<Vec<Vec<u8>>, String> {
        if chunk.is_empty() {
            return Ok(Vec::new());
        }
        self.is_fed = true;
        self.parser.feed(chunk, &mut self.messages)?;
        self.messages.take()
    }

    /// The body has ended: where there was none, it is an empty object.
    pub fn finish(&mut self) -> Result<Vec<Vec<u8>>, String> {
        if !self.is_fed {
            self.parser.feed(b"{}", &mut self.messages)?;
        }
        self.parser.finish(&mut self.messages)?;
        self.messages.take()
    }

    /// How much is held of a message that is not complete.
    pub fn held_bytes(&self) -> usize {
        let current = self.messages.current.as_ref();
        self.parser.held_bytes() + current.map_or(0, |weaver| weaver.events.held_bytes())
    }
}

impl Messages {
    fn take(&mut self) -> Result<Vec<Vec<u8>>, String> {
        let current = self.current.as_ref();
        let current = current.and_then(fault_of);
        match current.or_else(|| self.fault.take()) {
            Some(fault) => Err(fault),
            None => Ok(std::mem::take(&mut self.done)),
        }
    }

    /// Whether the event is that of the list itself.
    fn is_outside(&self) -> bool {
        self.body.is_stream && self.depth == 0 && self.current.is_none()
    }

    /// Begins a message: the root and all steps to the body's field but the last.
    fn begin(&mut self) -> &mut Weaver<Writer> {
        let writer = Writer::new(Arc::clone(&self.pool), self.root, self.body.options);
        let bindings = std::mem::take(&mut self.bindings);
        let mut weaver = Weaver::new(writer, bindings, self.body.refuses_collisions);
        if let Some((_, prefix)) = self.body.path.split_last() {
            weaver.open("", Shape::Object);
            for name in prefix {
                weaver.open(name, Shape::Object);
            }
        }
        self.current.insert(weaver)
    }

    fn end(&mut self) {
        let Some(mut weaver) = self.current.take() else {
            return;
        };
        for _ in &self.body.path {
            weaver.close(Shape::Object);
        }
        let fault = fault_of(&weaver);
        match weaver.events.finish() {
            Ok(message) if fault.is_none() => self.done.push(message),
            _ => self.fault = fault,
        }
    }

    fn last_name(&self) -> Box<str> {
        self.body.path.last().cloned().unwrap_or_default()
    }

    fn not_a_list(&mut self, what: &str) {
        self.fault = Some(format!("Expected an array instead of {what}"));
    }
}

fn fault_of(weaver: &Weaver<Writer>) -> Option<String> {
    let fault = weaver.collision().or_else(|| weaver.events.fault());
    fault.map(str::to_owned)
}

impl Events for Messages {
    fn open(&mut self, name: &str, shape: Shape) {
        if self.is_outside() && !self.is_list_open {
            self.is_list_open = true;
            if shape == Shape::Object {
                self.not_a_list("an object");
            }
            return;
        }
        let own = self.last_name();
        if self.depth == 0 {
            self.begin().open(&own, shape);
        } else if let Some(weaver) = &mut self.current {
            weaver.open(name, shape);
        }
        self.depth += 1;
    }

    fn close(&mut self, shape: Shape) {
        if self.depth == 0 {
            return;
        }
        self.depth -= 1;
        if let Some(weaver) = &mut self.current {
            weaver.close(shape);
        }
        if self.depth == 0 {
            self.end();
        }
    }

    fn scalar(&mut self, name: &str, value: Scalar<'_>) {
        if self.depth > 0 {
            if let Some(weaver) = &mut self.current {
                weaver.scalar(name, value);
            }
            return;
        }
        if self.body.is_stream && !self.is_list_open {
            self.not_a_list("a scalar value.");
            return;
        }
        let own = self.last_name();
        self.begin().scalar(&own, value);
        self.end();
    }
}
