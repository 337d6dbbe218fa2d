//! Values as Envoy 1.40 reads them, and keys that see them change.

use std::collections::HashMap;

use super::*;
use crate::tree::Json;

const HALF: Fraction = Fraction {
    numerator: 50,
    divisor: 100,
};

fn text(text: &str) -> RuntimeValue {
    RuntimeValue::of_text(text).unwrap_or_else(|why| panic!("{text}: {why}"))
}

fn keys(values: &[(&str, RuntimeValue)]) -> RuntimeKeys {
    let keys = RuntimeKeys::default();
    keys.set_values(map(values));
    keys
}

fn map(values: &[(&str, RuntimeValue)]) -> HashMap<Box<str>, RuntimeValue> {
    let values = values.iter().cloned();
    values.map(|(name, value)| (name.into(), value)).collect()
}

#[test]
fn integers_are_the_whole_parts_of_numbers() {
    let string = |text: &str| RuntimeValue::of_json(&Json::String(text.into()));
    for (value, expected) in [
        (string("404"), Some(404)),
        (string("404.9"), Some(404)),
        (string(" 404 "), Some(404)),
        (string("404\n"), Some(404)),
        (string("+404"), Some(404)),
        (string("0404"), Some(404)),
        (string("0x194"), Some(404)),
        (string("4.04e2"), Some(404)),
        (string("404."), Some(404)),
        (string("-0"), Some(0)),
        (string("10000000000"), Some(10_000_000_000)),
        (string("-0.5"), None),
        (string("-404"), None),
        (string("404abc"), None),
        (string("4_04"), None),
        (string("inf"), None),
        (string("nan"), None),
        (string("18446744073709551616"), None),
        (string("true"), None),
        (string(""), None),
        (RuntimeValue::of_json(&Json::Bool(true)), None),
        (RuntimeValue::of_json(&Json::Number(7.9)), Some(7)),
        (text("  # a comment\n0"), Some(0)),
        (text("0 # a tail"), Some(0)),
        (text("\"0\""), None),
        (text("null"), None),
        (text("[1, 2]"), None),
    ] {
        assert_eq!(value.integer, expected, "{value:?}");
    }
}

#[test]
fn fractions_are_structures_without_anything_else_or_percents() {
    let of = |numerator, divisor| Some(Fraction { numerator, divisor });
    for (yaml, expected) in [
        ("{numerator: 5}", of(5, 100)),
        ("{numerator: 5, denominator: MILLION}", of(5, 1_000_000)),
        ("denominator: TEN_THOUSAND", of(0, 10_000)),
        ("{}", of(0, 100)),
        ("{numerator: words}", of(0, 100)),
        ("{numerator: -1}", of(u32::MAX, 100)),
        ("{numerator: 5, denominator: HUNDREDS}", None),
        ("{numerator: 5, denominator: 1}", None),
        ("{numerator: 5, other: 1}", None),
        ("42", of(42, 100)),
        ("100", of(100, 100)),
        ("101", of(u32::MAX, 100)),
        ("0.5", of(0, 100)),
        ("-1", None),
        ("words", None),
    ] {
        assert_eq!(text(yaml).share(), expected, "{yaml}");
    }
}

#[test]
fn numbers_are_booleans_and_texts_are_not() {
    for (yaml, expected) in [
        ("true", Some(true)),
        ("false", Some(false)),
        ("0", Some(false)),
        ("1", Some(true)),
        ("'false'", None),
        ("words", None),
    ] {
        assert_eq!(text(yaml).boolean, expected, "{yaml}");
    }
}

#[test]
fn values_are_shown_as_they_were_given() {
    let json = |json: Json| RuntimeValue::of_json(&json).text;
    assert_eq!(json(Json::Number(5.0)), "5");
    assert_eq!(json(Json::Number(0.5)), "0.5");
    assert_eq!(json(Json::Number(1e6)), "1e+06");
    assert_eq!(json(Json::Number(123_456.0)), "123456");
    assert_eq!(json(Json::Number(2_147_483_647.0)), "2.14748e+09");
    assert_eq!(json(Json::Number(0.000_012_5)), "1.25e-05");
    assert_eq!(json(Json::Bool(true)), "true");
    assert_eq!(json(Json::String(" a ".into())), " a ");
    assert_eq!(text("{numerator: 5}").text, "{numerator: 5}");
    let fraction = Json::Object(vec![
        ("numerator".into(), Json::Number(5.0)),
        ("denominator".into(), Json::String("MILLION".into())),
    ]);
    assert_eq!(
        json(fraction),
        "goo.gle/debugproto    \nfields {\n  key: \"denominator\"\n  value {\n    string_value: \"MILLION\"\n  }\n}\n\
         fields {\n  key: \"numerator\"\n  value {\n    number_value: 5\n  }\n}\n"
    );
}

#[test]
fn a_text_that_is_no_yaml_is_refused_in_the_words_of_yaml_cpp() {
    assert_eq!(
        RuntimeValue::of_text("{bad"),
        Err("yaml-cpp: error at line 1, column 1: end of map flow not found".to_owned())
    );
}

#[test]
fn levels_of_a_layer_are_joined_by_dots() {
    let object = |members: &[(&str, Json)]| {
        let members = members.iter().cloned();
        Json::Object(members.map(|(name, json)| (name.into(), json)).collect())
    };
    let layer = object(&[
        ("a.b", Json::Number(1.0)),
        ("c", object(&[("d", object(&[("e", Json::Bool(true))]))])),
        ("f", object(&[("numerator", Json::Number(3.0))])),
        ("g", object(&[])),
    ]);
    let values = RuntimeValue::of_layer(&layer).expect("all of them are values");
    let names: Vec<_> = values.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["a.b", "c.d.e", "f", "g"]);
    let wrong = object(&[("c", object(&[("d", Json::List(Vec::new()))]))]);
    assert_eq!(RuntimeValue::of_layer(&wrong), Err("c.d".to_owned()));
}

#[test]
fn a_key_sees_its_value_come_change_and_go() {
    let keys = keys(&[("there", text("7"))]);
    let (there, missing) = (keys.key("there"), keys.key("missing"));
    assert_eq!((there.integer(1), missing.integer(1)), (7, 1));
    keys.set_values(map(&[("missing", text("{numerator: 5}"))]));
    assert_eq!((there.integer(1), missing.integer(1)), (1, 1));
    let share = missing.fraction(HALF);
    assert_eq!((share.numerator, share.divisor), (5, 100));
    keys.set_values(map(&[("missing", text("false"))]));
    assert!(!missing.boolean(true));
    assert_eq!(missing.fraction(HALF), HALF);
    assert!(keys.key("").boolean(true), "an empty name has no value");
}

#[test]
fn places_that_nobody_has_are_forgotten() {
    let keys = RuntimeKeys::default();
    let kept = keys.key("kept");
    for number in 0..10_000 {
        keys.key(&number.to_string());
    }
    assert!(keys.places() < 200, "{}", keys.places());
    keys.set_values(map(&[("kept", text("3"))]));
    assert_eq!(kept.integer(0), 3);
    assert_eq!(keys.places(), 1);
}
