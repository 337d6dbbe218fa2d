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

#[test]
fn groups_of_paths_are_looked_into() {
    let source = "use crate::{VERSION, log,\n    memory::{self, Share}, state};\nuse crate::pool;";
    let found = targets(source, &["worker"]);
    assert_eq!(
        found.into_iter().collect::<Vec<_>>(),
        ["log", "memory", "pool", "state"]
    );
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
    let code: Vec<_> = source
        .lines()
        .map(|line| line.split("//").next().unwrap_or(""))
        .collect();
    let code = code.join("\n");
    let out = format!("{}::", vec!["super"; modules.len()].join("::"));
    let mut found = BTreeSet::new();
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
        if !is_inside {
            found.extend(first_names(path).into_iter().map(str::to_owned));
        }
    }
    found
}

/// The modules that a path begins with: one, or those of a group in braces.
fn first_names(path: &str) -> Vec<&str> {
    let Some(group) = path.strip_prefix('{') else {
        let end = path.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
        let name = &path[..end.unwrap_or(path.len())];
        let is_module = name.starts_with(|letter: char| letter.is_ascii_lowercase());
        return is_module.then_some(name).into_iter().collect();
    };
    let mut depth = 1;
    let mut names = first_names(group.trim_start());
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => names.extend(first_names(group[at + 1..].trim_start())),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names
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
