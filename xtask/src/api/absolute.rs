//! Makes the type names in `.proto` sources absolute.
//!
//! `config.core.v3.Address` inside `package envoy.extensions...` means
//! `envoy.config.core.v3.Address`. protoc sees past a package `envoy.extensions.config`
//! that the file does not import; protox does not, so it is told the whole name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use protox::Error;
use protox::file::{File, FileResolver};

/// The sources, by the name that other files import them with.
pub(crate) struct Absolute {
    protos: BTreeMap<String, String>,
    types: BTreeSet<String>,
}

impl Absolute {
    pub(crate) fn new(protos: BTreeMap<String, String>) -> Absolute {
        let types = protos
            .values()
            .flat_map(|source| top_level_types(source))
            .collect();
        Absolute { protos, types }
    }

    fn rewrite(&self, source: &str) -> String {
        let package = package(source);
        let lines = source.lines().map(|line| match line.trim_start() {
            code if code.starts_with("//")
                || code.starts_with("import")
                || code.starts_with("package") =>
            {
                String::new() + line
            }
            _ => self.rewrite_line(line, package),
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    fn rewrite_line(&self, line: &str, package: &str) -> String {
        let mut rewritten = String::new();
        let mut rest = line;
        while let Some(start) = rest.find(|character: char| is_name(character)) {
            let (before, from) = rest.split_at(start);
            let end = from
                .find(|character: char| !is_name(character))
                .unwrap_or(from.len());
            let (name, after) = from.split_at(end);
            rewritten.push_str(before);
            // A name in quotes is a text, such as that of the previous version.
            let quoted = rewritten.ends_with('"');
            let absolute = self.absolute(name, package).filter(|_| !quoted);
            rewritten.push_str(absolute.as_deref().unwrap_or(name));
            rest = after;
        }
        rewritten + rest
    }

    /// The absolute form of a dotted name that is a known type in an enclosing package.
    fn absolute(&self, name: &str, package: &str) -> Option<String> {
        let first_upper = name
            .split('.')
            .position(|part| part.starts_with(|first: char| first.is_ascii_uppercase()))?;
        if first_upper == 0 || name.starts_with('.') {
            return None;
        }
        let top_level = name
            .split('.')
            .take(first_upper + 1)
            .collect::<Vec<_>>()
            .join(".");
        let mut scope = package;
        loop {
            let candidate = if scope.is_empty() {
                top_level.clone()
            } else {
                format!("{scope}.{top_level}")
            };
            if self.types.contains(&candidate) {
                let separator = if scope.is_empty() { "" } else { "." };
                return Some(format!(".{scope}{separator}{name}"));
            }
            if scope.is_empty() {
                return None;
            }
            scope = scope.rsplit_once('.').map_or("", |(outer, _)| outer);
        }
    }
}

impl FileResolver for Absolute {
    fn open_file(&self, name: &str) -> Result<File, Error> {
        match self.protos.get(name) {
            Some(source) => File::from_source(name, &self.rewrite(source)),
            None => Err(Error::file_not_found(name)),
        }
    }

    fn resolve_path(&self, path: &Path) -> Option<String> {
        let name = path.to_string_lossy().into_owned();
        self.protos.contains_key(&name).then_some(name)
    }
}

fn is_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_' || character == '.'
}

fn package(source: &str) -> &str {
    let line = source
        .lines()
        .find_map(|line| line.strip_prefix("package "));
    line.map_or("", |line| line.trim_end_matches(';').trim())
}

/// The messages and enums that a file declares outside any other, by full name.
fn top_level_types(source: &str) -> Vec<String> {
    let package = package(source);
    let declared = source.lines().filter_map(|line| {
        let rest = line
            .strip_prefix("message ")
            .or_else(|| line.strip_prefix("enum "))?;
        rest.split([' ', '{']).next()
    });
    declared.map(|name| format!("{package}.{name}")).collect()
}
