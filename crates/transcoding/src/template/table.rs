//! The table of templates: a tree of segments, in whose nodes methods of HTTP and verbs lead to entries.

use std::collections::{HashMap, HashSet};

use super::{MAX_SEGMENTS, Segment, Template, Unescape};

/// How paths are matched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableOptions {
    /// What is decoded of variables with several segments.
    pub unescape: Unescape,
    /// Whether what is behind a colon is a verb though no template has it.
    pub any_verb: bool,
}

#[derive(Debug, Default)]
struct Node {
    literals: HashMap<Box<str>, usize>,
    any: Option<usize>,
    rest: Option<usize>,
    /// Entries by method and verb.
    ends: HashMap<(Box<str>, Box<str>), usize>,
}

/// Finds entries by method and path.
#[derive(Debug)]
pub struct Table {
    nodes: Vec<Node>,
    templates: Vec<Template>,
    verbs: HashSet<Box<str>>,
    options: TableOptions,
}

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    /// The place of the entry, in the order of [`Table::insert`].
    pub entry: usize,
    /// The texts of its template's variables, in its order.
    pub values: Vec<Vec<u8>>,
}

impl Table {
    /// An empty one.
    pub fn new(options: TableOptions) -> Self {
        Table {
            nodes: vec![Node::default()],
            templates: Vec::new(),
            verbs: HashSet::new(),
            options,
        }
    }

    /// Adds an entry; false where there is one at its place.
    pub fn insert(&mut self, method: &str, template: Template) -> bool {
        let mut at = 0;
        for segment in &template.segments {
            let new = self.nodes.len();
            let Some(node) = self.nodes.get_mut(at) else {
                return false;
            };
            at = match segment {
                Segment::Literal(text) => *node.literals.entry(text.clone()).or_insert(new),
                Segment::Any => *node.any.get_or_insert(new),
                Segment::Rest => *node.rest.get_or_insert(new),
            };
            if at == new {
                self.nodes.push(Node::default());
            }
        }
        let entry = self.templates.len();
        let Some(node) = self.nodes.get_mut(at) else {
            return false;
        };
        let key = (method.into(), template.verb.clone());
        let is_new = *node.ends.entry(key).or_insert(entry) == entry;
        if !template.verb.is_empty() {
            self.verbs.insert(template.verb.clone());
        }
        self.templates.push(template);
        is_new
    }

    /// The entry for a path without its query.
    pub fn find(&self, method: &str, path: &[u8]) -> Option<Found> {
        let path = path.strip_prefix(b"/").unwrap_or(path);
        let (path, verb) = self.split_verb(path);
        let path = path.strip_suffix(b"/").unwrap_or(path);
        let segments: Vec<&[u8]> = match path.is_empty() {
            true => Vec::new(),
            false => path.split(|byte| *byte == b'/').collect(),
        };
        if segments.len() > MAX_SEGMENTS {
            return None;
        }
        let mut tries = MAX_TRIES;
        let key = (method.into(), verb);
        let entry = self.walk(0, &segments, &key, &mut tries)?;
        let values = self.values(self.templates.get(entry)?, &segments);
        Some(Found { entry, values })
    }

    fn split_verb<'p>(&self, path: &'p [u8]) -> (&'p [u8], Box<str>) {
        let last = path.iter().rposition(|byte| matches!(byte, b':' | b'/'));
        if let Some(at) = last
            && let Some((b':', verb)) = path.get(at..).and_then(<[u8]>::split_first)
            && let Ok(verb) = str::from_utf8(verb)
            && (self.options.any_verb || self.verbs.contains(verb))
        {
            return (path.get(..at).unwrap_or_default(), verb.into());
        }
        (path, Box::default())
    }

    fn walk(
        &self,
        at: usize,
        segments: &[&[u8]],
        key: &(Box<str>, Box<str>),
        tries: &mut usize,
    ) -> Option<usize> {
        *tries = tries.checked_sub(1)?;
        let node = self.nodes.get(at)?;
        if let Some((first, behind)) = segments.split_first() {
            let literal = str::from_utf8(first).ok();
            let literal = literal.and_then(|text| node.literals.get(text));
            for next in [literal, node.any.as_ref()].into_iter().flatten() {
                let found = self.walk(*next, behind, key, tries);
                if found.is_some() {
                    return found;
                }
            }
        } else if let Some(entry) = node.ends.get(key) {
            return Some(*entry);
        }
        let rest = self.nodes.get(node.rest?)?;
        rest.ends.get(key).copied()
    }

    fn values(&self, template: &Template, segments: &[&[u8]]) -> Vec<Vec<u8>> {
        let has_rest = template.segments.last() == Some(&Segment::Rest);
        let value = |variable: &super::Variable| {
            let takes_rest = has_rest && variable.end == template.segments.len();
            let end = if takes_rest {
                segments.len()
            } else {
                variable.end
            };
            let of = segments.get(variable.begin..end).unwrap_or_default();
            let is_one = !takes_rest && variable.end - variable.begin == 1;
            self.options.unescape.apply(&of.join(&b'/'), is_one)
        };
        template.variables.iter().map(value).collect()
    }
}

/// How many nodes are looked at for a path.
const MAX_TRIES: usize = 100_000;
