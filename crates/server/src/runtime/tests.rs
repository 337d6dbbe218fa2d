//! Layers over one another, on disk and from the admin.

use std::fs;
use std::path::PathBuf;

use nuncio_config::bootstrap::{Input, load};
use nuncio_contract::stats::StatsStore;

use super::disk::without_comments;
use super::*;

/// A runtime with these layers, as YAML.
fn runtime(layers: &str) -> Runtime {
    let yaml = format!("layered_runtime: {{layers: {layers}}}");
    let input = Input {
        yaml: Some(yaml),
        ..Input::default()
    };
    let tree = load(&input).expect("the layers are sound").tree;
    let runtime = Runtime::default();
    runtime.begin_with_tree(&tree, "cluster", &StatsStore::default());
    runtime
}

fn value(runtime: &Runtime, name: &str) -> String {
    let entries = runtime.view().entries;
    let found = entries.into_iter().find(|(one, ..)| one == name);
    found.map_or_else(|| "none".to_owned(), |(_, _, in_force)| in_force)
}

/// A directory of its own, removed at the end.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("nuncio-runtime-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).expect("a directory can be made");
        Directory(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        let parent = path.parent().expect("a file is in a directory");
        fs::create_dir_all(parent).expect("a directory can be made");
        fs::write(path, text).expect("a file can be written");
    }

    fn layer(&self, more: &str) -> String {
        let root = self.0.join("current");
        format!(
            "{{name: disk, disk_layer: {{symlink_root: {}{more}}}}}",
            root.display()
        )
    }

    /// Lets `current` point at another version in one step.
    fn swap(&self, version: &str) {
        let (new, current) = (self.0.join("new"), self.0.join("current"));
        std::os::unix::fs::symlink(version, &new).expect("a link can be made");
        fs::rename(new, current).expect("a link can be put over another");
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _what_stays_is_in_a_temporary_directory = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_last_layer_that_has_a_value_counts() {
    let runtime = runtime(
        "[{name: one, static_layer: {a: 1, b: {c: 2}}}, {name: adm, admin_layer: {}}, {name: two, static_layer: {a: 3}}]",
    );
    let key = runtime.keys.key("b.c");
    assert_eq!((value(&runtime, "a"), key.integer(0)), ("3".to_owned(), 2));
    assert_eq!(runtime.modify(&[("b.c", "7"), ("a", "8")]), Ok(()));
    assert_eq!((value(&runtime, "a"), key.integer(0)), ("3".to_owned(), 7));
    let view = runtime.view();
    assert_eq!(view.layers, ["one", "adm", "two"]);
    let shown = (
        "a".to_owned(),
        vec!["1".into(), "8".into(), "3".into()],
        "3".into(),
    );
    assert_eq!(view.entries.first(), Some(&shown));
    assert_eq!(runtime.modify(&[("b.c", "")]), Ok(()));
    assert_eq!(key.integer(0), 2);
}

#[test]
fn what_is_no_yaml_changes_nothing() {
    let runtime = runtime("[{name: adm, admin_layer: {}}]");
    let words = "yaml-cpp: error at line 1, column 1: end of map flow not found";
    assert_eq!(
        runtime.modify(&[("a", "1"), ("b", "{bad")]),
        Err(NotSet::BadValue(words.to_owned()))
    );
    assert_eq!(value(&runtime, "a"), "none");
}

#[test]
fn without_an_admin_layer_nothing_can_be_set() {
    let set = [("a", "1")];
    let runtime = runtime("[{name: one, static_layer: {}}]");
    assert_eq!(runtime.modify(&set), Err(NotSet::NoAdminLayer));
    let none = Runtime::default();
    assert_eq!(none.modify(&set), Err(NotSet::NoAdminLayer));
}

#[test]
fn no_layers_are_one_of_the_admin() {
    let runtime = runtime("[]");
    assert_eq!(runtime.view().layers, [""]);
    assert_eq!(runtime.modify(&[("a", "1")]), Ok(()));
}

#[test]
fn a_layer_from_elsewhere_is_there_and_empty_until_it_comes() {
    let runtime = runtime(
        "[{name: rtds, rtds_layer: {name: a, rtds_config: {resource_api_version: V3, ads: {}}}}, \
          {name: one, static_layer: {a: 1}}]",
    );
    assert_eq!(runtime.view().layers, ["rtds", "one"]);
    assert_eq!(value(&runtime, "a"), "1");
}

#[test]
fn files_are_values_and_directories_parts_of_their_names() {
    let directory = Directory::new("files");
    directory.write("v1/envoy/a", "# five\n5\n");
    directory.write("v1/envoy/b/c", "{numerator: 7}");
    directory.write("v1/envoy/b/.d", "words  \n");
    directory.write("v1/envoy_override/cluster/a", "6");
    directory.write("v2/envoy/a", "8");
    directory.swap("v1");
    let layers = format!(
        "[{}, {}]",
        directory.layer(", subdirectory: envoy"),
        directory
            .layer(", subdirectory: envoy_override, append_service_cluster: true")
            .replace("name: disk", "name: override"),
    );
    let runtime = runtime(&layers);
    assert_eq!(value(&runtime, "a"), "6");
    assert_eq!(value(&runtime, "b.c"), "{numerator: 7}");
    assert_eq!(value(&runtime, "b..d"), "words");
    assert_eq!(runtime.view().layers, ["disk", "override"]);
    directory.swap("v2");
    runtime.load();
    assert_eq!(value(&runtime, "a"), "8");
    assert_eq!(
        runtime.view().layers,
        ["disk"],
        "the other directory is gone"
    );
}

#[test]
fn a_layer_with_a_file_that_is_no_yaml_is_left_out() {
    let directory = Directory::new("broken");
    directory.write("current/a", "{bad");
    directory.write("current/b", "1");
    let runtime = runtime(&format!(
        "[{}, {{name: two, static_layer: {{c: 1}}}}]",
        directory.layer("")
    ));
    assert_eq!(runtime.view().layers, ["two"]);
}

#[test]
fn a_root_looks_other_when_it_is_swapped_and_not_when_something_in_it_changes() {
    let directory = Directory::new("looks");
    directory.write("v1/a", "1");
    directory.swap("v1");
    let root = directory.0.join("current");
    let before = Looks::of(&root);
    directory.write("v1/b", "2");
    assert_eq!(Looks::of(&root), before);
    directory.swap("v2");
    assert_ne!(Looks::of(&root), before);
}

#[test]
fn comments_and_empty_lines_do_not_count() {
    for (text, expected) in [
        ("0\n", "0"),
        ("# comment\n0\n# x\n", "0\n"),
        ("words and more  \n\n", "words and more"),
        ("  # kept\n0", "  # kept\n0"),
        ("\n\n0", "0"),
        ("1\n2\n", "1\n2"),
        ("1\n2\n1", "12\n1"),
        ("", ""),
    ] {
        assert_eq!(without_comments(text), expected, "{text:?}");
    }
}
