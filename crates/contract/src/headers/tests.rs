use super::*;

fn map(headers: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::request();
    for (name, value) in headers {
        map.append_from_wire(name.as_bytes(), value.as_bytes());
    }
    map
}

fn listed(map: &HeaderMap) -> Vec<String> {
    map.iter()
        .map(|header| {
            format!(
                "{}: {}",
                String::from_utf8_lossy(header.name),
                String::from_utf8_lossy(header.value)
            )
        })
        .collect()
}

fn name(name: &str) -> HeaderName {
    HeaderName::parse(name).expect("a valid name")
}

#[test]
fn every_known_name_is_found_in_any_case() {
    for known in Known::ALL {
        assert_eq!(Known::find(known.as_bytes()), Some(*known));
        let upper = known.as_str().to_ascii_uppercase();
        assert_eq!(Known::find(upper.as_bytes()), Some(*known));
        assert_eq!(known.is_pseudo(), known.as_str().starts_with(':'));
    }
    assert_eq!(Known::find(b""), None);
    assert_eq!(Known::find(b"x-custom"), None);
    assert_eq!(Known::find(b"hosts"), None);
}

#[test]
fn no_other_byte_passes_for_one_of_a_known_name() {
    for known in Known::ALL {
        for at in 0..known.as_bytes().len() {
            for byte in 0..=255 {
                let mut name = known.as_bytes().to_vec();
                name[at] = byte;
                let same = name.eq_ignore_ascii_case(known.as_bytes());
                assert_eq!(Known::find(&name) == Some(*known), same, "{name:?}");
            }
        }
    }
}

#[test]
fn pseudo_headers_come_first_and_the_others_in_order() {
    let mut map = map(&[("Host", "a"), ("X-B", "1"), ("X-A", "2"), ("x-b", "3")]);
    map.append(Known::Path, b"/");
    map.append(Known::Method, b"GET");
    assert_eq!(
        listed(&map),
        [
            ":authority: a",
            ":path: /",
            ":method: GET",
            "x-b: 1",
            "x-a: 2",
            "x-b: 3"
        ]
    );
    assert_eq!(map.len(), 6);
}

#[test]
fn host_is_the_authority_in_a_request_only() {
    let mut request = map(&[("HOST", "a.example")]);
    assert_eq!(request.get(Known::Authority), Some(&b"a.example"[..]));
    assert_eq!(request.get(&name("host")), Some(&b"a.example"[..]));
    request.set(Known::Host, b"b.example");
    assert_eq!(listed(&request), [":authority: b.example"]);

    let mut response = HeaderMap::response();
    response.append_from_wire(b"Host", b"a");
    assert_eq!(response.get(Known::Authority), None);
    assert_eq!(response.get(Known::Host), Some(&b"a"[..]));
}

#[test]
fn inline_headers_are_joined_and_others_kept_beside_each_other() {
    let mut map = map(&[
        ("via", "1"),
        ("cookie", "a=1"),
        ("via", "2"),
        ("cookie", "b=2"),
    ]);
    map.append(Known::Via, b"");
    assert_eq!(listed(&map), ["via: 1,2", "cookie: a=1", "cookie: b=2"]);
    let cookies: Vec<&[u8]> = map.get_all(Known::Cookie).collect();
    assert_eq!(cookies, [&b"a=1"[..], b"b=2"]);
    assert_eq!(map.byte_size(), "via1,2cookiea=1cookieb=2".len());
}

#[test]
fn the_same_name_is_joined_in_one_kind_of_map_only() {
    let mut response = HeaderMap::response();
    response.append(Known::Server, b"a");
    response.append(Known::Server, b"b");
    assert_eq!(listed(&response), ["server: a,b"]);
    assert_eq!(
        listed(&map(&[("server", "a"), ("server", "b")])),
        ["server: a", "server: b"]
    );
}

#[test]
fn setting_keeps_the_place_and_replacing_moves_to_the_end() {
    let mut map = map(&[("x-a", "1"), ("x-b", "2"), ("x-a", "3"), ("x-c", "4")]);
    map.set(&name("X-A"), b"a longer value than before");
    assert_eq!(
        listed(&map),
        ["x-a: a longer value than before", "x-b: 2", "x-c: 4"]
    );
    map.set(&name("x-a"), b"5");
    map.replace(&name("x-b"), b"6");
    assert_eq!(listed(&map), ["x-a: 5", "x-c: 4", "x-b: 6"]);
    map.set(&name("x-new"), b"7");
    map.replace(Known::Te, b"trailers");
    assert_eq!(
        listed(&map),
        ["x-a: 5", "x-c: 4", "x-b: 6", "x-new: 7", "te: trailers"]
    );
    assert_eq!(map.byte_size(), "x-a5x-c4x-b6x-new7tetrailers".len());
}

#[test]
fn joining_uses_a_semicolon_for_cookies_and_a_comma_otherwise() {
    let mut map = map(&[("cookie", "a=1"), ("x-a", "1"), ("x-empty", "")]);
    map.append_joined(Known::Cookie, b"b=2");
    map.append_joined(&name("x-a"), b"2");
    map.append_joined(&name("x-empty"), b"3");
    map.append_joined(&name("x-new"), b"4");
    assert_eq!(
        listed(&map),
        ["cookie: a=1; b=2", "x-a: 1,2", "x-empty: 3", "x-new: 4"]
    );
}

#[test]
fn removing_forgets_the_name_and_its_size() {
    let mut map = map(&[
        ("x-envoy-a", "1"),
        ("te", "2"),
        ("x-envoy-b", "3"),
        ("x-a", "4"),
        ("x-a", "5"),
    ]);
    assert_eq!(map.remove_prefix(b"x-envoy-"), 2);
    assert_eq!(map.remove(Known::Te), 1);
    assert_eq!(map.remove(Known::Te), 0);
    assert_eq!(map.remove(&name("x-a")), 2);
    assert!(map.is_empty());
    assert_eq!(map.byte_size(), 0);
    map.append(Known::Te, b"trailers");
    assert_eq!(map.get(Known::Te), Some(&b"trailers"[..]));
}

#[test]
fn removing_one_name_leaves_look_ups_of_the_others_right() {
    let mut map = map(&[("via", "1"), ("te", "2"), ("cookie", "a"), ("cookie", "b")]);
    map.remove(Known::Via);
    assert_eq!(map.get(Known::Te), Some(&b"2"[..]));
    assert_eq!(map.remove_if(|header| header.value == b"a"), 1);
    assert_eq!(map.get(Known::Cookie), Some(&b"b"[..]));
}

#[test]
fn known_names_are_found_behind_more_headers_than_a_slot_counts() {
    let mut map = HeaderMap::request();
    for number in 0..400 {
        map.append_from_wire(format!("x-{number}").as_bytes(), b"v");
    }
    map.append(Known::Via, b"1");
    map.append(Known::Via, b"2");
    assert_eq!(map.get(Known::Via), Some(&b"1,2"[..]));
    assert_eq!(map.remove(Known::Via), 1);
    assert_eq!(map.get(Known::Via), None);
    assert_eq!(map.get(&name("x-399")), Some(&b"v"[..]));
}

#[test]
fn endless_rewriting_stays_bounded() {
    let mut map = map(&[("x-a", "1"), ("via", "1")]);
    for round in 0..100_000u64 {
        map.set_integer(Known::Via, round);
        map.replace(&name("x-a"), &[b'v'; 100]);
    }
    assert_eq!(map.get(Known::Via), Some(&b"99999"[..]));
    assert_eq!(map.len(), 2);
    assert!(map.memory_bytes() < 64 * 1024);
}

#[test]
fn a_copy_is_equal_and_separate() {
    let original = map(&[("host", "a"), ("x-a", "1")]);
    let mut copy = original.clone();
    assert_eq!(copy, original);
    copy.set(Known::Host, b"b");
    assert_ne!(copy, original);
    assert_eq!(original.get(Known::Host), Some(&b"a"[..]));
}

#[test]
fn integers_are_written_in_decimal() {
    let mut map = HeaderMap::response();
    for number in [0, 7, 10, 200, u64::MAX] {
        map.set_integer(Known::ContentLength, number);
        assert_eq!(
            map.get_str(Known::ContentLength),
            Some(&*number.to_string())
        );
    }
}

#[test]
fn names_are_checked_when_parsed() {
    assert_eq!(name("X-Custom").as_str(), "x-custom");
    assert_eq!(name("Content-Type").known(), Some(Known::ContentType));
    assert_eq!(HeaderName::parse(":path"), Err(InvalidHeaderName::Pseudo));
    assert!(HeaderName::parse_with_pseudo(":path").is_ok());
    assert_eq!(
        HeaderName::parse_with_pseudo(":"),
        Err(InvalidHeaderName::Empty)
    );
    assert_eq!(HeaderName::parse(""), Err(InvalidHeaderName::Empty));
    assert_eq!(HeaderName::parse("x y"), Err(InvalidHeaderName::Byte(1)));
    assert_eq!(
        HeaderName::parse_with_pseudo(":x:"),
        Err(InvalidHeaderName::Byte(2))
    );
}

#[test]
fn values_may_hold_tabs_and_high_bytes_but_no_control_characters() {
    assert!(is_valid_value(b""));
    assert!(is_valid_value(b"a\tb \x80\xff~"));
    for byte in (0..0x20).chain([0x7f]).filter(|byte| *byte != b'\t') {
        assert!(!is_valid_value(&[b'a', byte]), "{byte:#x}");
    }
}

#[test]
fn the_first_spelling_of_a_name_is_kept() {
    let mut map = HeaderMap::request();
    assert!(map.original_case().is_none());
    let original = map.keep_original_case();
    original.remember(b"X-CuStOm");
    original.remember(b"x-custom");
    assert_eq!(original.find(b"x-custom"), Some(&b"X-CuStOm"[..]));
    assert_eq!(original.find(b"x-other"), None);
}

#[test]
fn many_spellings_of_any_length_are_found_again() {
    let mut map = HeaderMap::request();
    let original = map.keep_original_case();
    let name = |number: usize| format!("X-{}-{number}", "Long".repeat(number % 40));
    for number in 0..500 {
        original.remember(name(number).as_bytes());
    }
    for number in 0..500 {
        let (asked, wanted) = (name(number).to_ascii_lowercase(), name(number));
        assert_eq!(original.find(asked.as_bytes()), Some(wanted.as_bytes()));
    }
}

/// What [`HeaderMap::write_lines`] is to write, header by header.
fn lines_of(map: &HeaderMap) -> String {
    let line = |header: Header<'_>| {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        format!("{}: {}\r\n", text(header.name), text(header.value))
    };
    map.iter_regular().map(line).collect()
}

fn written_lines(map: &HeaderMap) -> String {
    let mut out = Vec::new();
    map.write_lines(&mut out);
    String::from_utf8(out).expect("the test's headers are text")
}

#[test]
fn lines_are_written_as_they_came_and_as_they_were_changed() {
    let mut map = HeaderMap::request();
    for line in ["Accept: */*\r\n", "X-One: 1st\r\n", "X-TWO: second\r\n"] {
        let name_len = line.find(':').expect("a line has a colon");
        let known = Known::find(&line.as_bytes()[..name_len]);
        map.append_line(known, line.as_bytes(), name_len);
    }
    assert_eq!(
        written_lines(&map),
        "accept: */*\r\nx-one: 1st\r\nx-two: second\r\n"
    );
    map.set(Known::Accept, b"a/b");
    map.set(&HeaderName::parse("x-two").expect("a name"), b"2");
    map.set(
        &HeaderName::parse("x-one").expect("a name"),
        b"longer than it was",
    );
    assert_eq!(
        written_lines(&map),
        "accept: a/b\r\nx-one: longer than it was\r\nx-two: 2\r\n"
    );
    map.remove(Known::Accept);
    assert_eq!(written_lines(&map), lines_of(&map));
}

#[test]
fn lines_agree_with_the_headers_whatever_was_done_to_them() {
    let names = ["accept", "x-forwarded-for", "x-a", "x-b", "cookie", "host"];
    let values: [&[u8]; 5] = [
        b"",
        b"1",
        b"some value",
        b"a much longer value than the others",
        b"2",
    ];
    let mut random: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % below as u64).expect("it is small")
    };
    for _ in 0..300 {
        let mut map = HeaderMap::request();
        for _ in 0..40 {
            let name = names[next(names.len())];
            let value = values[next(values.len())];
            let key = HeaderName::parse(name).expect("a name");
            match next(7) {
                0 => map.append(&key, value),
                1 => map.set(&key, value),
                2 => map.replace(&key, value),
                3 => map.append_joined(&key, value),
                4 => {
                    map.remove(&key);
                }
                5 => map.append_from_wire(name.to_uppercase().as_bytes(), value),
                _ => {
                    let line = [name.to_uppercase().as_bytes(), b": line\r\n"].concat();
                    map.append_line(key.known(), &line, name.len());
                }
            }
            assert_eq!(written_lines(&map), lines_of(&map));
            assert_eq!(written_lines(&map.clone()), lines_of(&map));
        }
    }
}
