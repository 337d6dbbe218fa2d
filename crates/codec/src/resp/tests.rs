//! Values whole and in pieces, and what is none.

use super::*;

const LIMITS: Limits = Limits {
    max_value_bytes: 1000,
    max_elements: 10,
    allows_lines: true,
};

fn read(bytes: &[u8], size: usize) -> Result<Vec<Value>, ProtocolError> {
    let mut decoder = Decoder::new(LIMITS);
    let mut values = Vec::new();
    for piece in bytes.chunks(size.max(1)) {
        decoder.push(piece);
        while let Some(value) = decoder.next_value()? {
            values.push(value);
        }
    }
    Ok(values)
}

fn command(words: &[&str]) -> Value {
    Value::Array(words.iter().map(Value::bulk).collect())
}

#[test]
fn values_come_together_from_pieces_of_any_size() {
    let values = [
        command(&["GET", "a\r\nb"]),
        Value::Null,
        Value::Integer(-7),
        Value::Integer(i64::MIN),
        Value::simple("OK"),
        Value::error("ERR no"),
        Value::Array(vec![Value::Array(vec![]), Value::Null, command(&["x"])]),
        Value::bulk(""),
    ];
    let mut bytes = Vec::new();
    values.iter().for_each(|value| encode(value, &mut bytes));
    for size in 1..=bytes.len() {
        assert_eq!(read(&bytes, size), Ok(values.to_vec()), "{size}");
    }
}

#[test]
fn a_null_array_is_a_null() {
    assert_eq!(read(b"*-1\r\n", 9), Ok(vec![Value::Null]));
}

#[test]
fn what_only_version_3_has_becomes_what_version_2_has() {
    let bytes = b"%1\r\n+a\r\n*1\r\n:1\r\n#t\r\n,1.5\r\n=5\r\ntxt:a\r\n_\r\n|1\r\n+k\r\n+v\r\n:1\r\n>1\r\n+x\r\n(-12\r\n~0\r\n!1\r\na\r\n";
    let other = |value| Value::Other(Box::new(value));
    let map = vec![Value::simple("a"), Value::Array(vec![Value::Integer(1)])];
    assert_eq!(
        read(bytes, 3),
        Ok(vec![
            other(Value::Array(map)),
            other(Value::Integer(1)),
            other(Value::bulk("1.5")),
            other(Value::bulk("a")),
            Value::Null,
            Value::Integer(1),
            Value::Push,
            other(Value::bulk("-12")),
            other(Value::Array(vec![])),
            Value::error("a"),
        ])
    );
    let mut out = Vec::new();
    encode(&other(Value::Integer(1)), &mut out);
    assert_eq!(out, b":1\r\n");
}

#[test]
fn lines_are_commands() {
    let line = |line: &str| read(line.as_bytes(), 2).map(|mut values| values.pop());
    assert_eq!(line("  get\ta  \r\n"), Ok(Some(command(&["get", "a"]))));
    assert_eq!(
        line("set a 'x y'\r\n"),
        Ok(Some(command(&["set", "a", "x y"])))
    );
    assert_eq!(
        line("set \"q\\n\\x41\\\"\" ''\r\n"),
        Ok(Some(command(&["set", "q\nA\"", ""])))
    );
    assert_eq!(line("\r\n"), Ok(Some(command(&[]))));
    assert_eq!(
        line("\n\x0bget a'b\r\n"),
        Ok(Some(command(&["get", "a'b"])))
    );
    assert_eq!(line("get a\"b\"\r\n"), Err(ProtocolError));
    assert_eq!(line("@get\r\n"), Err(ProtocolError));
    assert_eq!(line("get a\n"), Ok(None));
    assert_eq!(line("get \"a\r\n"), Err(ProtocolError));
    assert_eq!(line("get \"a\"b\r\n"), Err(ProtocolError));
    assert_eq!(line("\0get\r\n"), Err(ProtocolError));
}

#[test]
fn what_is_no_value_is_refused_as_soon_as_it_shows() {
    for bad in [
        &b"*a"[..],
        b"*1\n",
        b"$1\r\nabc",
        b"*1\r\n$x\r\n",
        b"*1\r\nGET\r\n",
        b":1x\r\n",
        b":99999999999999999999\r\n",
        b"*1\r\n\r\n",
        b"*-2\r\n",
        b"$-0\r\n",
        b"%-1\r\n",
        b":\r\n",
        b"_x\r\n",
        b"#T\r\n",
        b",1.5.5\r\n",
        b"(-\r\n",
        b"=4\r\nabcd\r\n",
        b"+O\rK",
        b"|1\r\n+a\r\n+b\r\nPING\r\n",
    ] {
        assert_eq!(read(bad, 1), Err(ProtocolError), "{bad:?}");
    }
}

#[test]
fn limits_hold_before_anything_is_kept() {
    assert_eq!(read(b"*11\r\n", 9), Err(ProtocolError));
    assert_eq!(read(b"$1001\r\n", 9), Err(ProtocolError));
    assert_eq!(read(&b"*1\r\n".repeat(127), 9), Ok(vec![]));
    assert_eq!(read(&b"*1\r\n".repeat(128), 9), Err(ProtocolError));
    assert_eq!(read(&vec![b'a'; 1_100_000], 2 << 20), Err(ProtocolError));
}

#[test]
fn a_command_is_written_as_clients_write_it() {
    let mut out = Vec::new();
    encode_command(&["GET", "a"], &mut out);
    assert_eq!(out, b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n");
}

#[test]
fn an_error_of_version_3_stays_one_line() {
    let error = Value::error("a  b");
    assert_eq!(read(b"!4\r\na\r\nb\r\n", 2), Ok(vec![error]));
}

#[test]
fn a_value_has_a_limit_of_values_over_all_its_arrays() {
    let limits = Limits {
        max_value_bytes: 512 << 20,
        max_elements: 1 << 20,
        allows_lines: false,
    };
    let mut decoder = Decoder::new(limits);
    // Each array announces the most that one may have.
    decoder.push(b"*1048576\r\n*1048576\r\n*1048576\r\n*1048576\r\n");
    assert_eq!(decoder.next_value(), Ok(None));
    decoder.push(b"*1\r\n");
    assert_eq!(decoder.next_value(), Err(ProtocolError));
}

#[test]
fn a_length_that_comes_byte_by_byte_is_read_on_where_it_was() {
    for (sent, is_fine) in [("$-1\r\n", true), ("$0-1\r\n", false), ("$1x", false)] {
        let mut decoder = Decoder::new(LIMITS);
        let mut outcome = Ok(None);
        for byte in sent.as_bytes() {
            decoder.push(&[*byte]);
            outcome = outcome.and_then(|_| decoder.next_value());
        }
        assert_eq!(outcome.is_ok(), is_fine, "{sent}");
    }
}
