//! Circles between the top modules of a crate.
//!
//! An edge is a `crate::other` or a `super::other` that leaves the own top module; tests do not count.

use std::collections::{BTreeMap, BTreeSet};

use crate::tree::{assert_none, rust_files};

/// For each crate its top modules and what they use.
type Uses = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

#[test]
fn modules_of_a_crate_use_each_other_one_way_only() {
    let mut wrong = Vec::new();
    for (name, uses) in uses() {
        for (from, targets) in &uses {
            for to in targets {
                if reaches(&uses, to, from) {
                    wrong.push(format!("{name}: {from} -> {to}"));
                }
            }
        }
    }
    assert_none(&wrong, "edges between modules that are part of a circle");
}

#[test]
fn a_circle_is_found_however_long_it_is() {
    let set = |names: &[&str]| {
        names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<BTreeSet<_>>()
    };
    let uses = BTreeMap::from([
        ("a".to_owned(), set(&["b", "d"])),
        ("b".to_owned(), set(&["c"])),
        ("c".to_owned(), set(&["a"])),
    ]);
    assert!(reaches(&uses, "b", "a"));
    assert!(!reaches(&uses, "d", "a"));
}

#[test]
fn paths_are_found_in_source_and_comments_are_not_source() {
    let source = "use crate::pool::Pool; // crate::no\nlet x = super::super::stream::new();\nuse super::near;";
    let found = targets(source, &["worker", "cluster"]);
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["pool", "stream"]);
}

fn uses() -> Uses {
    let mut all = Uses::new();
    for file in rust_files() {
        let directory = file.crate_directory().to_owned();
        let Some(inner) = file.path.strip_prefix(&format!("{directory}/src/")) else {
            continue;
        };
        let mut modules: Vec<_> = inner.trim_end_matches(".rs").split('/').collect();
        modules.retain(|part| !matches!(*part, "mod" | "lib" | "main"));
        let is_test = modules
            .iter()
            .any(|part| matches!(*part, "tests" | "testing" | "bin"));
        let (Some(top), false) = (modules.first(), is_test || file.is_generated()) else {
            continue;
        };
        let source = file
            .text
            .split("#[cfg(test)]\nmod tests {")
            .next()
            .unwrap_or("");
        let found = targets(source, &modules);
        let uses = all
            .entry(directory.clone())
            .or_default()
            .entry((*top).to_owned())
            .or_default();
        uses.extend(found.into_iter().filter(|to| to != top));
    }
    all
}

/// The top modules that a file names, whose own path is `modules`.
fn targets(source: &str, modules: &[&str]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in source.lines() {
        let code = line.split("//").next().unwrap_or("");
        let out = format!("{}::", vec!["super"; modules.len()].join("::"));
        for (start, _) in code
            .match_indices("crate::")
            .chain(code.match_indices(&out))
        {
            let before = code[..start].chars().next_back();
            let is_inside =
                before.is_some_and(|letter| letter.is_alphanumeric() || "_$:".contains(letter));
            let path = code[start..]
                .trim_start_matches("crate::")
                .trim_start_matches("super::");
            let end = path.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
            let name = &path[..end.unwrap_or(path.len())];
            if !is_inside && name.starts_with(|letter: char| letter.is_ascii_lowercase()) {
                found.insert(name.to_owned());
            }
        }
    }
    found
}

fn reaches(uses: &BTreeMap<String, BTreeSet<String>>, from: &str, wanted: &str) -> bool {
    let mut seen = BTreeSet::from([from.to_owned()]);
    let mut open = vec![from.to_owned()];
    while let Some(module) = open.pop() {
        if module == wanted {
            return true;
        }
        let next = uses.get(&module).into_iter().flatten();
        open.extend(next.filter(|name| seen.insert((*name).clone())).cloned());
    }
    false
}
