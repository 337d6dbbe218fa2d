//! Commands that are answered here, and answers that are put together.

use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};

use nuncio_codec::resp::Value;

use super::fragments::{join_sets, join_sums, join_values};
use super::hosts::{Join, joined};
use super::*;
use crate::commands::word;

#[test]
fn values_of_keys_stand_in_their_order_and_errors_among_them() {
    let outcome = join_values(vec![
        Value::bulk("a"),
        Value::Null,
        Value::error("no"),
        Value::Integer(1),
    ]);
    assert!(!outcome.is_success);
    assert_eq!(
        outcome.value,
        Value::Array(vec![
            Value::bulk("a"),
            Value::Null,
            Value::error("no"),
            Value::error("upstream protocol error")
        ])
    );
    assert!(join_values(vec![Value::Null]).is_success);
}

#[test]
fn what_failed_of_several_is_counted() {
    let ok = || Value::simple("OK");
    assert_eq!(join_sets(&[ok(), ok()]), Outcome::success(ok()));
    assert_eq!(
        join_sets(&[ok(), Value::error("x"), Value::bulk("OK")]),
        Outcome::error("finished with 2 error(s)")
    );
    assert_eq!(
        join_sums(&[Value::Integer(2), Value::Integer(3)]),
        Outcome::success(Value::Integer(5))
    );
    assert_eq!(
        join_sums(&[Value::Integer(2), Value::Null]),
        Outcome::error("finished with 1 error(s)")
    );
}

#[test]
fn answers_of_all_hosts_become_one() {
    let array = |texts: &[&str]| Value::Array(texts.iter().map(Value::bulk).collect());
    let join = |join, values: &[Value]| joined(join, values.to_vec()).value;
    let two = [array(&["a"]), array(&["b"])];
    assert_eq!(join(Join::Merge, &two), array(&["a", "b"]));
    assert_eq!(join(Join::Append, &two), Value::Array(two.to_vec()));
    assert_eq!(
        join(Join::Same, &two),
        Value::error("all responses not same")
    );
    assert_eq!(
        join(Join::Sum, &[Value::Integer(1), Value::Integer(2)]),
        Value::Integer(3)
    );
    assert_eq!(
        join(Join::Sum, &[Value::Integer(1), Value::error("x")]),
        Value::error("x")
    );
}

#[test]
fn commands_without_a_host_are_answered_here() {
    let config = crate::config::of_passwords("u", &["p", "q"]);
    let mut login = Login::new(&config);
    let mut say = |line: &str| {
        let words = line.split(' ').map(|word| word.as_bytes().to_vec());
        let words = Rc::new(words.collect::<Vec<_>>());
        let name = String::from_utf8_lossy(word(&words, 0)).to_ascii_lowercase();
        let now = UNIX_EPOCH + Duration::from_micros(1_500_000);
        match answer(&name, &words, &mut login, false, || now) {
            Said::Answer(value) | Said::Unknown(value) => value,
            Said::Hello(Begun::Over(outcome)) => outcome.value,
            Said::Hello(_) => Value::simple("hello"),
            Said::Invalid => Value::simple("invalid"),
            Said::Quit => Value::simple("quit"),
            Said::Ask => Value::simple("ask"),
        }
    };
    let error = |text: &str| Value::error(text);
    let simple = |text: &str| Value::simple(text);
    assert_eq!(say("GET a"), error("NOAUTH Authentication required."));
    assert_eq!(
        say("NOPE x y"),
        error("ERR unknown command 'NOPE', with args beginning with: x")
    );
    assert_eq!(say("AUTH"), simple("invalid"));
    assert_eq!(say("AUTH x"), error("ERR invalid password"));
    assert_eq!(
        say("AUTH default p"),
        error("WRONGPASS invalid username-password pair")
    );
    assert_eq!(say("AUTH u q"), simple("OK"));
    assert_eq!(say("PING"), simple("PONG"));
    assert_eq!(say("ECHO a"), Value::bulk("a"));
    assert_eq!(say("ECHO a b"), simple("invalid"));
    assert_eq!(
        say("TIME"),
        Value::Array(vec![Value::bulk("1"), Value::bulk("1500000")])
    );
    assert_eq!(say("GET"), simple("invalid"));
    assert_eq!(say("get a"), simple("ask"));
    assert_eq!(say("ROLE"), simple("ask"));
    assert_eq!(say("QUIT"), simple("quit"));
    assert_eq!(
        say("HELLO 3"),
        error("NOPROTO unsupported protocol version")
    );
}
