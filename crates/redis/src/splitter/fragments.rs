//! Commands of several keys, taken apart into one for each and put together again.

use nuncio_codec::resp::Value;

use super::{Begun, FAILURE, NO_HOST, Outcome, words_of};
use crate::around::Around;
use crate::client::Answer;
use crate::commands::{Words, word};

/// The answers in their order; an error stands for what was not there.
pub(super) async fn all(answers: Vec<Option<Answer>>) -> Vec<Value> {
    let mut values = Vec::with_capacity(answers.len());
    for answer in answers {
        values.push(match answer {
            Some(answer) => answer.await.unwrap_or_else(|| Value::error(FAILURE)),
            None => Value::error(NO_HOST),
        });
    }
    values
}

/// `MGET`: the values of all keys, or what went wrong with each.
pub(super) fn mget(words: &Words, around: &Around<'_>) -> Begun {
    let keys = words.iter().skip(1);
    let answers = keys.map(|key| around.send(1, &words_of(&[b"get", key])));
    let answers = answers.collect();
    Begun::Asked(Box::pin(async move { join_values(all(answers).await) }))
}

pub(super) fn join_values(values: Vec<Value>) -> Outcome {
    let mut is_success = true;
    let values = values.into_iter().map(|value| match value {
        Value::Bulk(_) | Value::Null => value,
        Value::Error(_) => {
            is_success = false;
            value
        }
        _ => {
            is_success = false;
            Value::error("upstream protocol error")
        }
    });
    let value = Value::Array(values.collect());
    Outcome { value, is_success }
}

/// `MSET`: whether all were set.
pub(super) fn mset(words: &Words, around: &Around<'_>) -> Begun {
    let pairs = words.get(1..).unwrap_or_default().chunks_exact(2);
    let answers = pairs.filter_map(|pair| {
        let [key, value] = pair else { return None };
        Some(around.send(1, &words_of(&[b"set", key, value])))
    });
    let answers = answers.collect();
    Begun::Asked(Box::pin(async move { join_sets(&all(answers).await) }))
}

pub(super) fn join_sets(values: &[Value]) -> Outcome {
    let is_well = |value: &Value| matches!(value, Value::Simple(text) if text == b"OK");
    match values.iter().filter(|value| !is_well(value)).count() {
        0 => Outcome::success(Value::simple("OK")),
        errors => finished_with(errors),
    }
}

pub(super) fn finished_with(errors: usize) -> Outcome {
    Outcome::error(format!("finished with {errors} error(s)"))
}

/// `DEL` and others: the sum of what hosts say.
pub(super) fn sum(words: &Words, around: &Around<'_>) -> Begun {
    let keys = words.iter().skip(1);
    let answers = keys.map(|key| around.send(1, &words_of(&[word(words, 0), key])));
    let answers = answers.collect();
    Begun::Asked(Box::pin(async move { join_sums(&all(answers).await) }))
}

pub(super) fn join_sums(values: &[Value]) -> Outcome {
    let mut sum: i64 = 0;
    let mut errors = 0;
    for value in values {
        match value {
            Value::Integer(number) => sum = sum.wrapping_add(*number),
            _ => errors += 1,
        }
    }
    match errors {
        0 => Outcome::success(Value::Integer(sum)),
        errors => finished_with(errors),
    }
}
