//! A host that speaks Redis: answers commands by their words, in lower case, and all others with its name, what the
//! connection was told before (`AUTH`, `READONLY`, `ASKING`) and the command. Nothing of it is shown as seen.
//!
//! An answer of no bytes is none at all; `closes` ends the connection.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};

use super::record::Shared;
use crate::wire::Wire;

/// The answer that ends the connection.
const CLOSES: &[u8] = b"closes";

/// What commands are answered with; more may be said of it once the host runs.
#[derive(Clone, Debug, Default)]
pub struct RedisAnswers(Arc<Mutex<HashMap<String, Turns>>>);

#[derive(Debug, Default)]
struct Turns {
    answers: Vec<Vec<u8>>,
    taken: usize,
}

impl RedisAnswers {
    /// Has a command answered with these, one after another; the last one stays.
    pub fn answer(&self, command: &str, answers: Vec<Vec<u8>>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(command.to_owned(), Turns { answers, taken: 0 });
    }

    fn of(&self, command: &str) -> Option<Vec<u8>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let turns = all.get_mut(command)?;
        let place = turns.taken.min(turns.answers.len().saturating_sub(1));
        turns.taken += 1;
        turns.answers.get(place).cloned()
    }
}

/// What a connection was told.
#[derive(Default)]
struct Told {
    lasting: Vec<String>,
    once: Option<String>,
}

pub(super) fn serve(shared: &Shared, wire: Wire, answers: &RedisAnswers) {
    let mut stream = BufReader::new(wire);
    let mut told = Told::default();
    while let Some(words) = command(&mut stream) {
        let text = words.join(" ");
        let answer = match answers.of(&text.to_ascii_lowercase()) {
            Some(answer) if answer == CLOSES => break,
            Some(answer) => answer,
            None => told.answer(&shared.name, &text),
        };
        let sent = stream.get_mut().write_all(&answer);
        if sent.and_then(|()| stream.get_mut().flush()).is_err() {
            break;
        }
    }
    stream.get_mut().close();
}

impl Told {
    fn answer(&mut self, name: &str, text: &str) -> Vec<u8> {
        let lower = text.to_ascii_lowercase();
        if lower == "asking" {
            self.once = Some(lower);
            return b"+OK\r\n".to_vec();
        }
        if lower == "readonly" || lower.starts_with("auth ") {
            self.lasting.push(lower);
            return b"+OK\r\n".to_vec();
        }
        let told: Vec<_> = self
            .lasting
            .iter()
            .cloned()
            .chain(self.once.take())
            .collect();
        let answer = format!("{name} ({}): {text}", told.join(", "));
        format!("${}\r\n{answer}\r\n", answer.len()).into_bytes()
    }
}

fn command(stream: &mut BufReader<Wire>) -> Option<Vec<String>> {
    let count = number(stream, b'*')?;
    (0..count)
        .map(|_| {
            let length = number(stream, b'$')?;
            let mut bytes = vec![0; length.checked_add(2)?];
            stream.read_exact(&mut bytes).ok()?;
            bytes.truncate(length);
            Some(String::from_utf8_lossy(&bytes).into_owned())
        })
        .collect()
}

/// The number of a line that begins with `kind`, of 65,535 at most.
fn number(stream: &mut BufReader<Wire>, kind: u8) -> Option<usize> {
    let mut line = String::new();
    stream.take(64).read_line(&mut line).ok()?;
    let digits = line.strip_prefix(char::from(kind))?.trim_end();
    digits.parse::<u16>().ok().map(usize::from)
}
