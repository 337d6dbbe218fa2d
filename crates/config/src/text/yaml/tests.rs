//! The tests of the YAML reader.

use super::*;

fn read(text: &str) -> (Result<Node, String>, Diagnostics) {
    let mut diagnostics = Diagnostics::default();
    let outcome = parse(text, 0, &Limits::default(), &mut diagnostics);
    (
        outcome.map_err(|diagnostic| diagnostic.message),
        diagnostics,
    )
}

fn covered<'t>(text: &'t str, node: &Node) -> &'t str {
    &text[node.span.start as usize..node.span.end as usize]
}

#[test]
fn values_and_keys_carry_their_place() {
    let text = "näme: \"é\"\nlist:\n  - one   # first\n  - {a: 1}\nend: x\n";
    let (node, _) = read(text);
    let node = node.unwrap();
    let entries = node.entries().unwrap();
    assert_eq!(covered(text, &entries[0].value), "\"é\"");
    let items = entries[1].value.items().unwrap();
    assert_eq!(covered(text, &items[0]), "one");
    assert_eq!(covered(text, &items[1]), "{a: 1}");
    assert_eq!(
        covered(text, &entries[1].value),
        "- one   # first\n  - {a: 1}"
    );
    assert_eq!(covered(text, &entries[2].value), "x");
}

#[test]
fn quoted_scalars_are_strings_and_plain_ones_are_typed() {
    let (node, _) = read("{a: 'yes', b: yes, c: \"1\", d: ! 1, e: !!str 1, f: ~, g: !!str}");
    let node = node.unwrap();
    let kinds: Vec<String> = node
        .entries()
        .unwrap()
        .iter()
        .map(|entry| format!("{:?}", entry.value.kind))
        .collect();
    assert_eq!(
        kinds,
        [
            "Str(\"yes\")",
            "Bool(true)",
            "Str(\"1\")",
            "Str(\"1\")",
            "Int(1)",
            "Null",
            "Str(\"\")"
        ]
    );
}

#[test]
fn a_key_tagged_ignore_is_dropped_but_its_anchor_lives() {
    let (node, _) = read("!ignore x: &a {id: b}\nnode: *a\n");
    let node = node.unwrap();
    assert_eq!(node.entries().unwrap().len(), 1);
    assert_eq!(
        node.get("node").unwrap().get("id").unwrap().as_str(),
        Some("b")
    );
}

#[test]
fn the_last_of_repeated_keys_wins_with_a_warning() {
    let (node, diagnostics) = read("a: 1\nb: 2\na: 3\n");
    let node = node.unwrap();
    assert_eq!(format!("{:?}", node.get("a").unwrap().kind), "Int(3)");
    assert_eq!(diagnostics.iter().count(), 1);
}

#[test]
fn only_the_first_document_counts_and_a_broken_second_one_is_not_seen() {
    let (node, diagnostics) = read("a: 1\n---\nb: [\n");
    assert!(node.unwrap().get("a").is_some());
    assert_eq!(diagnostics.iter().count(), 1);
}

#[test]
fn aliases_may_not_expand_without_bound() {
    let mut text = String::from("l0: &l0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let inner = vec![format!("*l{}", level - 1); 10].join(", ");
        text += &format!("l{level}: &l{level} [{inner}]\n");
    }
    assert!(
        read(&text)
            .0
            .unwrap_err()
            .contains("more than 8000000 values")
    );
}

#[test]
fn an_alias_inside_of_its_own_value_is_refused() {
    assert!(
        read("a: &a [*a]")
            .0
            .unwrap_err()
            .contains("inside of the value")
    );
    assert!(read("a: *b").0.is_err());
}

#[test]
fn deep_nesting_is_refused_not_followed() {
    assert!(read(&"[".repeat(100_000)).0.is_err());
    let fits = format!("{}{}", "[".repeat(100), "]".repeat(100));
    assert!(read(&fits).0.is_ok());
    let deeper = format!("{}{}", "[".repeat(101), "]".repeat(101));
    assert!(
        read(&deeper)
            .0
            .unwrap_err()
            .contains("nested more than 100")
    );
}

#[test]
fn aliases_may_not_nest_deeper_than_brackets() {
    let mut text = format!("l0: &l0 {}{}\n", "[".repeat(90), "]".repeat(90));
    for level in 1..400 {
        let (open, close) = ("[".repeat(90), "]".repeat(90));
        text += &format!("l{level}: &l{level} {open}*l{}{close}\n", level - 1);
    }
    assert!(
        read(&text)
            .0
            .unwrap_err()
            .contains("nested more than 100 deep")
    );
    assert!(read("a: &a [[x]]\nb: &b [*a]\nc: [*b]\n").0.is_ok());
}

#[test]
fn a_long_text_may_not_be_repeated_without_bound() {
    let text = format!(
        "a: &a {}\nb: [{}]\n",
        "x".repeat(1 << 20),
        "*a, ".repeat(1000)
    );
    assert!(
        read(&text)
            .0
            .unwrap_err()
            .contains("more than 134217728 bytes of values")
    );
}

#[test]
fn complex_keys_in_dropped_values_are_passed_over_in_linear_time() {
    let text = "!ignore x: {[a]: b}\n".repeat(100_000) + "end: 1\n";
    assert_eq!(read(&text).0.unwrap().entries().unwrap().len(), 1);
    let kept = "!ignore x: {[a]: b}\n? [c]\n: d\n";
    assert!(read(kept).0.unwrap_err().contains("a key must be"));
}

#[test]
fn a_long_line_without_a_colon_is_read_and_refused_as_a_short_one() {
    let words = "\"a\" ".repeat(50_000);
    assert!(read(&format!("[{words}]")).0.is_err());
    let items = "a, ".repeat(50_000);
    let (node, _) = read(&format!("[{items}]\n"));
    assert_eq!(node.unwrap().items().unwrap().len(), 50_000);
    let (node, diagnostics) = read(&format!("[{items}] b\n"));
    assert!(node.is_ok());
    assert_eq!(diagnostics.iter().count(), 1);
    assert!(read(&format!("[a] [{items}@]\n")).0.is_err());
}
