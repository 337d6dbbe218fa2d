//! What RE2 takes, what it refuses, and in which words.

use super::translate;

fn matches(pattern: &str, text: &str) -> bool {
    let translated = translate(pattern).expect("RE2 takes it");
    let whole = format!("^(?:{translated})$");
    regex::bytes::RegexBuilder::new(&whole)
        .unicode(false)
        .build()
        .expect("the crate takes it")
        .is_match(text.as_bytes())
}

fn takes(pattern: &str, bytes: &[u8]) -> bool {
    let whole = format!("^(?:{})$", translate(pattern).expect("RE2 takes it"));
    let mut built = regex::bytes::RegexBuilder::new(&whole);
    let built = built.unicode(false).dot_matches_new_line(true).build();
    built.expect("the crate takes it").is_match(bytes)
}

#[test]
fn every_byte_is_a_character() {
    for (pattern, bytes) in [
        (".*admin.*", &b"\xffadmin\xfe"[..]),
        ("..", b"\xc3\xa9"),
        ("\u{e9}", b"\xc3\xa9"),
        ("[\u{e9}]{2}", b"\xa9\xc3"),
        ("[^a]", b"\xff"),
        ("\\W", b"\xff"),
        ("\\x{e9}", b"\xe9"),
        ("[\\x80-\\xff]", b"\x80"),
        ("\\pL", b"\xe9"),
        ("é+", b"\xc3\xa9\xa9"),
        ("\\xe9\\C", b"\xe9\xff"),
        ("(?i)\\xC9é", b"\xc9\xc3\xa9"),
        ("[\\p{Lu}]", b"\xc9"),
        ("\\P{^Lu}", b"\xc9"),
        ("[\\p{^Lu}]", b"\xe9"),
        ("\\p{^Any}?", b""),
        ("\\P{Cs}\\p{Latin}", b"1a"),
    ] {
        assert!(takes(pattern, bytes), "{pattern}");
    }
    assert!(!takes("[a-z]*", b"us\xffer"));
    assert!(!takes("(?i)é", b"\xe3\xa9"));
    assert!(!takes("(?i)\\xC9", b"\xe9"));
    assert!(!takes("\\p{Greek}", b"\xe9"));
    let beyond = translate("\\x{fffd}");
    assert_eq!(beyond, Err("invalid escape sequence: \\x{fff".to_owned()));
}

#[test]
fn what_only_re2_takes_means_the_same() {
    for (pattern, text, other) in [
        ("/a/{id}", "/a/{id}", "/a/id"),
        ("x{,5}", "x{,5}", "x"),
        ("[^[]+", "ab", "a[b"),
        ("\\Qa.b\\E", "a.b", "axb"),
        ("[a&&b]", "&", "x"),
        ("\\<", "<", "a"),
        ("(?P<1>a)", "a", "b"),
        ("[\\d-x]+", "1-x", "a"),
        ("[]a]+", "]a", "b"),
        ("[--a]", "A", "b"),
        ("\\101", "A", "B"),
        ("\\d", "1", "\u{664}"),
        ("[[:alpha:]_]+", "a_", "1"),
        ("(?i)ab{2}", "ABB", "AB"),
        ("(?ii-mm)a", "A", "b"),
        ("(?i-i)a", "a", "A"),
        ("(?-ii:a)b", "ab", "Ab"),
        ("(?)a", "a", "b"),
    ] {
        assert!(matches(pattern, text), "{pattern} {text}");
        assert!(!matches(pattern, other), "{pattern} {other}");
    }
}

#[test]
fn complaints_are_re2s_own() {
    for (pattern, complaint) in [
        ("/a(b", "missing ): /a(b"),
        ("a)", "unexpected ): a)"),
        ("[a", "missing ]: [a"),
        ("a\\", "trailing \\"),
        ("*a", "no argument for repetition operator: *"),
        ("a**", "bad repetition operator: **"),
        ("a{2}{3}", "bad repetition operator: {2}{3}"),
        ("a{1001}", "invalid repetition size: {1001}"),
        ("\\1", "invalid escape sequence: \\1"),
        ("\\u0041", "invalid escape sequence: \\u"),
        ("\\x+1", "invalid escape sequence: \\x+1"),
        ("\\xg1z", "invalid escape sequence: \\xg1"),
        ("é\\xé1", "invalid escape sequence: \\xÃ©"),
        ("\\x1", "invalid escape sequence: \\x1"),
        ("\\x{+1}q", "invalid escape sequence: \\x{+"),
        ("\\x{1g}q", "invalid escape sequence: \\x{1g"),
        ("\\x{}q", "invalid escape sequence: \\x{}"),
        ("\\x{1", "invalid escape sequence: \\x{1"),
        (
            "[[:^^alpha:]]",
            "invalid character class range: [:^^alpha:]",
        ),
        ("\\Z", "invalid escape sequence: \\Z"),
        ("\\400", "invalid escape sequence: \\400"),
        ("\\x{100}", "invalid escape sequence: \\x{100"),
        ("\\x{10FFFF}", "invalid escape sequence: \\x{10F"),
        ("é(", "missing ): é("),
        ("[é", "missing ]: [Ã©"),
        ("\\é", "invalid escape sequence: \\Ã"),
        ("[é-a]", "invalid character class range: ©-a"),
        ("(?=a)", "invalid perl operator: (?="),
        ("[z-a]", "invalid character class range: z-a"),
        ("[[:foo:]]", "invalid character class range: [:foo:]"),
        ("\\p{greek}", "invalid character class range: \\p{greek}"),
        ("\\pX{", "invalid character class range: \\pX"),
        ("[\\P{^Foo}]", "invalid character class range: \\P{^Foo}"),
        ("\\p{Letter}", "invalid character class range: \\p{Letter}"),
        ("\\p{Lu", "invalid character class range: \\p{Lu"),
        ("(?i-)a", "invalid perl operator: (?i-)"),
        ("(?-:a)", "invalid perl operator: (?-:"),
        ("(?i--s)a", "invalid perl operator: (?i--"),
        ("[a-\\d]", "invalid escape sequence: \\d"),
    ] {
        assert_eq!(translate(pattern), Err(complaint.to_owned()), "{pattern}");
    }
}
