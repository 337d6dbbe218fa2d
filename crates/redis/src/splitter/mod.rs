//! What becomes of a command: where it goes, what of the answers the client gets, and what is counted.

mod fragments;
mod hosts;
mod info;
mod local;
#[cfg(test)]
mod tests;

use std::rc::Rc;

use nuncio_codec::resp::Value;
use nuncio_contract::services::LocalFuture;

pub(crate) use local::{Login, Said, answer};

use crate::around::Around;
use crate::client::Answer;
use crate::commands::{Kind, Words, word};

pub(crate) const NO_HOST: &str = "no upstream host";
pub(crate) const FAILURE: &str = "upstream failure";

/// What a client gets, and whether it counts as a success.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) value: Value,
    pub(crate) is_success: bool,
}

impl Outcome {
    pub(crate) fn success(value: Value) -> Self {
        Outcome {
            value,
            is_success: true,
        }
    }

    pub(crate) fn error(text: impl AsRef<[u8]>) -> Self {
        Outcome {
            value: Value::error(text),
            is_success: false,
        }
    }
}

/// What has begun.
pub(crate) enum Begun {
    /// It is over already, and took no time that counts.
    Over(Outcome),
    /// The same, and it counts as neither success nor error.
    Said(Value),
    /// Hosts are asked.
    Asked(LocalFuture<Outcome>),
}

impl Begun {
    pub(crate) fn error(text: impl AsRef<[u8]>) -> Self {
        Begun::Over(Outcome::error(text))
    }
}

/// Begins a command of hosts.
pub(crate) fn begin(kind: Kind, words: &Words, around: &Around<'_>) -> Begun {
    match kind {
        Kind::Simple => single(1, words, around),
        Kind::Eval if words.len() < 4 => wrong_number(words),
        Kind::Eval => single(3, words, around),
        Kind::Object if words.len() < 3 => wrong_number(words),
        Kind::Object => single(2, words, around),
        Kind::Sum => fragments::sum(words, around),
        Kind::Mget => fragments::mget(words, around),
        Kind::Mset if words.len().is_multiple_of(2) => wrong_number(words),
        Kind::Mset => fragments::mset(words, around),
        Kind::AllHosts => hosts::all(words, around),
        Kind::RandomHost => hosts::one(words, around),
        Kind::Scan => hosts::scan(words, around),
        Kind::InfoShard if words.len() > 3 => wrong_number(words),
        Kind::InfoShard => hosts::shard(words, around),
        Kind::Hello | Kind::Transaction => Begun::error(NO_HOST),
    }
}

fn wrong_number(words: &Words) -> Begun {
    Begun::error(text_of_wrong_number(words))
}

pub(crate) fn text_of_wrong_number(words: &Words) -> Vec<u8> {
    let mut text = b"wrong number of arguments for '".to_vec();
    text.extend_from_slice(word(words, 0));
    text.extend_from_slice(b"' command");
    text
}

/// What is said of a command that may not be part of a transaction.
pub(crate) fn not_within(name: &[u8]) -> Vec<u8> {
    let name = String::from_utf8_lossy(name);
    format!("'{name}' command is not supported within transaction").into_bytes()
}

/// What a client sent stands in our own words with blanks for control characters, as in Envoy.
fn in_one_line(mut text: Vec<u8>) -> Vec<u8> {
    let odd = text.iter_mut().filter(|byte| byte.is_ascii_control());
    odd.for_each(|byte| *byte = b' ');
    text
}

/// A number as Envoy reads those of commands: with a sign, and blanks around it.
fn number_of(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text.trim_ascii()).ok()?.parse().ok()
}

/// What one host says, as it is.
pub(crate) fn plain(answer: Answer) -> LocalFuture<Outcome> {
    Box::pin(async move {
        match answer.await {
            Some(value) => Outcome::success(value),
            None => Outcome::error(FAILURE),
        }
    })
}

fn single(key: usize, words: &Words, around: &Around<'_>) -> Begun {
    match around.send(key, words) {
        Some(answer) => Begun::Asked(plain(answer)),
        None => Begun::error(NO_HOST),
    }
}

/// A command with other words.
fn words_of(words: &[&[u8]]) -> Words {
    Rc::new(words.iter().map(|word| word.to_vec()).collect())
}
