//! Anchors and aliases, and what stands before a node.
//!
//! An alias copies its node, so aliases of aliases make a short text long, and deep: what they repeat counts
//! towards the limits of values and of nesting, and the text of it may not be larger than a text may be.

use std::collections::HashMap;
use std::sync::Arc;

use super::parse::{Outcome, Parser, Trouble};
use super::stream::Failure;
use super::token::Kind as Is;
use crate::diagnostic::Diagnostic;
use crate::text::Node;

/// The anchors of a text, numbered in their order.
#[derive(Default)]
pub(super) struct Anchors {
    /// The number of the last anchor of a name.
    numbers: HashMap<String, usize>,
    /// By number: the node, once it is read, and what it holds.
    nodes: Vec<Option<(Arc<Node>, Size)>>,
}

/// What nodes hold, or what was read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Size {
    pub(super) nodes: usize,
    /// Of scalars.
    pub(super) bytes: usize,
    /// Lists and maps inside of each other.
    pub(super) depth: usize,
}

/// What may stand before a node.
#[derive(Default)]
pub(super) struct Properties {
    pub(super) tag: Option<String>,
    /// Its number.
    pub(super) anchor: Option<usize>,
}

impl Parser<'_> {
    /// Keeps a node that has an anchor; `before` is what had been read before it.
    pub(super) fn keep(
        &mut self,
        anchor: usize,
        node: &Node,
        before: Size,
        depth: usize,
    ) -> Outcome<()> {
        let size = Size {
            nodes: self.read.nodes - before.nodes + 1,
            bytes: self.read.bytes - before.bytes,
            depth: self.read.depth + 1 - depth,
        };
        let at = node.span.start as usize;
        if size.nodes > 1 {
            self.count(size.nodes, at)?;
        }
        self.count_copied(size.bytes, at)?;
        if let Some(place) = self.anchors.nodes.get_mut(anchor) {
            *place = Some((Arc::new(node.clone()), size));
        }
        Ok(())
    }

    fn count_copied(&mut self, bytes: usize, at: usize) -> Outcome<()> {
        self.read.bytes += bytes;
        if self.read.bytes <= self.limits.text_bytes {
            return Ok(());
        }
        let text = format!(
            "more than {} bytes of values, those repeated by aliases included",
            self.limits.text_bytes
        );
        let diagnostic = Diagnostic::error(self.span(at, at), text);
        Err(Trouble::Found(Box::new(diagnostic)))
    }

    pub(super) fn alias(&mut self, depth: usize) -> Outcome<Node> {
        let Some(token) = self.pop()? else {
            return Ok(self.null());
        };
        let Some(number) = self.anchors.numbers.get(&token.text) else {
            let words = format!("the referenced anchor is not defined: {}", token.text);
            return Err(Failure::new(token.mark, words).into());
        };
        let Some(Some((node, size))) = self.anchors.nodes.get(*number) else {
            let span = self.span(token.mark.at, token.end);
            let text = "the alias stands inside of the value that it names";
            return Err(Trouble::Found(Box::new(Diagnostic::error(span, text))));
        };
        let (size, at) = (*size, token.mark.at);
        // The limits come first: a copy may be what does not fit.
        let node = Arc::clone(node);
        self.count(size.nodes, at)?;
        self.count_copied(size.bytes, at)?;
        if size.depth > 0 {
            self.check_depth(depth + size.depth - 1, at)?;
        }
        Ok((*node).clone())
    }

    pub(super) fn properties(&mut self) -> Outcome<Properties> {
        let mut found = Properties::default();
        loop {
            match self.scanner.next_kind()? {
                Some(Is::Tag) => {
                    let Some(token) = self.scanner.peek()?.cloned() else {
                        return Ok(found);
                    };
                    if found.tag.is_some() {
                        let words = "cannot assign multiple tags to the same node";
                        return Err(Failure::new(token.mark, words).into());
                    }
                    let name = self.directives.name(&token);
                    found.tag = Some(name).filter(|name| !name.is_empty());
                }
                Some(Is::Anchor) => {
                    let Some(token) = self.scanner.peek()?.cloned() else {
                        return Ok(found);
                    };
                    if found.anchor.is_some() {
                        let words = "cannot assign multiple anchors to the same node";
                        return Err(Failure::new(token.mark, words).into());
                    }
                    found.anchor = Some(self.anchors.nodes.len());
                    let number = self.anchors.nodes.len();
                    self.anchors.numbers.insert(token.text, number);
                    self.anchors.nodes.push(None);
                }
                _ => return Ok(found),
            }
            self.pop()?;
        }
    }
}
