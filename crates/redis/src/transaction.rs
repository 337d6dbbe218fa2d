//! Transactions: `MULTI` and what follows it go to the host of the first key, on a connection of their own.
//!
//! `WATCH` opens that connection already, as what is watched is the connection's affair. A transaction without a key
//! never leaves the proxy. With `EXEC` or `DISCARD` it is over, and the connection ends with the answer.
//!
//! Different from Envoy: `WATCH` before `MULTI` goes to a connection that others use too there; keys within a
//! transaction keep the prefix that a route removes.

use nuncio_codec::resp::Value;

use crate::around::Around;
use crate::client::Client;
use crate::commands::{Kind, Words, kind, word};
use crate::splitter::{Begun, NO_HOST, not_within, plain, text_of_wrong_number};

/// A client's transaction.
#[derive(Default)]
pub(crate) struct Transaction {
    /// Whether it has begun, and not ended.
    pub(crate) is_active: bool,
    connections: Option<Connections>,
}

struct Connections {
    client: Client,
    mirrors: Vec<Client>,
    /// Whether the host knows that there is a transaction.
    has_begun: bool,
}

impl Connections {
    fn send_blindly(&self, words: &Words) {
        self.client.send_blindly(words);
        self.mirror(words);
    }

    fn mirror(&self, words: &Words) {
        for mirror in &self.mirrors {
            mirror.send_blindly(words);
        }
    }
}

/// Whether a command may be part of a transaction: one with keys of its own, or one of the configuration.
fn may_be_part(name: &str) -> bool {
    let kind = kind(name).unwrap_or(Kind::Simple);
    matches!(
        kind,
        Kind::Simple | Kind::Sum | Kind::Mget | Kind::Mset | Kind::Transaction
    )
}

impl Transaction {
    /// Takes a command that begins or ends it, or is part of it.
    pub(crate) fn take(&mut self, name: &str, words: &Words, around: &Around<'_>) -> Begun {
        if !may_be_part(name) {
            return Begun::Said(Value::Error(not_within(word(words, 0))));
        }
        if name == "watch" && words.len() < 2 {
            return Begun::Said(Value::Error(text_of_wrong_number(words)));
        }
        if let Some(said) = self.answer_here(name) {
            return Begun::Said(said);
        }
        let connections = match self.connections.take() {
            Some(connections) => connections,
            None => match around.open_alone(words) {
                Some((client, mirrors)) => Connections {
                    client,
                    mirrors,
                    has_begun: false,
                },
                None => {
                    self.is_active &= !matches!(name, "exec" | "discard");
                    return Begun::error(NO_HOST);
                }
            },
        };
        self.send(name, connections, words, around)
    }

    /// What needs no host.
    fn answer_here(&mut self, name: &str) -> Option<Value> {
        let has_key = self.connections.is_some();
        let ok = || Value::simple("OK");
        Some(match name {
            "multi" if self.is_active => Value::error("MULTI calls can not be nested"),
            "multi" => {
                self.is_active = true;
                return (!has_key).then(ok);
            }
            "exec" | "discard" if !self.is_active => {
                let name = name.to_ascii_uppercase();
                Value::error(format!("{name} without MULTI"))
            }
            "exec" | "discard" if !has_key => {
                self.is_active = false;
                match name {
                    "exec" => Value::Array(Vec::new()),
                    _ => ok(),
                }
            }
            "unwatch" if !has_key && self.is_active => Value::simple("QUEUED"),
            "unwatch" if !has_key => ok(),
            _ => return None,
        })
    }

    fn send(
        &mut self,
        name: &str,
        mut connections: Connections,
        words: &Words,
        around: &Around<'_>,
    ) -> Begun {
        if self.is_active && !connections.has_begun {
            connections.has_begun = true;
            if name != "multi" {
                connections.send_blindly(&Words::new(vec![b"MULTI".to_vec()]));
            }
        }
        let words = match kind(name) {
            Some(Kind::Simple) => around.renamed(1, words),
            _ if name == "watch" && !word(words, 1).is_empty() => around.renamed(1, words),
            _ => Words::clone(words),
        };
        let answer = plain(connections.client.send(&words));
        connections.mirror(&words);
        let is_over = match name {
            "exec" | "discard" => true,
            "unwatch" => !self.is_active,
            _ => false,
        };
        if !is_over {
            self.connections = Some(connections);
            return Begun::Asked(answer);
        }
        self.is_active = false;
        Begun::Asked(Box::pin(async move {
            let outcome = answer.await;
            drop(connections);
            outcome
        }))
    }
}
