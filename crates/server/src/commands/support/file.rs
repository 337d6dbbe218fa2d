//! The report on what a configuration uses.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::rc::Rc;
use std::sync::Arc;

use nuncio_config::diagnostic::Diagnostic;
use nuncio_config::sorting;
use nuncio_config::source::{Position, Sources};
use nuncio_config::span::Span;
use nuncio_config::support::{Kind, Status, Use, used};
use nuncio_config::tree::Message;
use nuncio_config::typed::{Ctx, SupportTable};
use nuncio_contract::registry::Extensions;
use nuncio_contract::stats::StatsStore;
use nuncio_upstream::ClusterManager;

use super::super::arguments::Findable;
use super::whole::reason;
use crate::admin::json::Json;
use crate::bootstrap::{SecretShelf, Surroundings, compile_tree};

/// What a file uses.
pub(super) struct Report {
    uses: Vec<Use>,
    /// What only a compilation finds: a place, and what is not supported there.
    more: Vec<(Span, String)>,
    sources: Sources,
}

/// Loads a file and tells what it uses; nothing when it is refused, which is shown then.
pub(super) fn report(
    path: &str,
    table: &SupportTable,
    extensions: &Extensions,
    findable: &Findable,
) -> Option<Report> {
    let loaded = findable.load(path)?;
    let mut uses = used(table, &loaded.tree);
    let tree = Arc::new(loaded.tree);
    let mut more = Vec::new();
    for found in unsupported(&tree, extensions) {
        let mut is_known = false;
        for one in uses
            .iter_mut()
            .filter(|one| one.span == found.span || one.extent == found.span)
        {
            one.status = Status::Unsupported;
            is_known = true;
        }
        if !is_known {
            more.push((found.span, found.message));
        }
    }
    Some(Report {
        uses,
        more,
        sources: loaded.sources,
    })
}

/// What a compilation that lets everything through warns of.
fn unsupported(tree: &Arc<Message>, extensions: &Extensions) -> Vec<Diagnostic> {
    let Ok(options) = crate::cli::read(&[], "", "") else {
        return Vec::new();
    };
    let stats = StatsStore::default();
    let around = Surroundings {
        options: &options,
        extensions,
        manager: &Arc::new(ClusterManager::new(stats.clone())),
        stats: &stats,
        runtime: &Rc::default(),
        secrets: SecretShelf::default(),
        channels: nuncio_config::typed::Channels::default(),
    };
    let mut ctx = Ctx::new(true);
    let _what_is_wrong_besides_is_for_validate = compile_tree(tree, &around, &mut ctx);
    let all = ctx.diagnostics.iter();
    all.filter(|found| found.message.ends_with(Diagnostic::NOT_SUPPORTED))
        .cloned()
        .collect()
}

/// One thing that a file uses, at all its places.
struct Line {
    status: Status,
    places: Vec<Span>,
}

impl Report {
    /// The things used, those that are not supported first.
    fn lines(&self) -> Vec<(String, Line)> {
        let mut lines: BTreeMap<(Kind, &str, &str, &str), Line> = BTreeMap::new();
        for one in &self.uses {
            let key = (one.kind, one.owner, one.name, one.status.as_str());
            let line = lines.entry(key).or_insert_with(|| Line {
                status: one.status,
                places: Vec::new(),
            });
            line.places.push(one.span);
        }
        let mut all: Vec<_> = lines
            .into_iter()
            .map(|((kind, owner, name, _), line)| (describe(kind, owner, name), line))
            .collect();
        let more = self.more.iter().map(|(span, text)| {
            let line = Line {
                status: Status::Unsupported,
                places: vec![*span],
            };
            (
                text.trim_end_matches(Diagnostic::NOT_SUPPORTED)
                    .trim_end()
                    .to_owned(),
                line,
            )
        });
        all.extend(more);
        sorting::sort_by_key(&mut all, |(_, line)| line.status.is_taken());
        all
    }

    /// How many things there are at all places, how many are taken, and how many of them are inert.
    fn counts(&self) -> (usize, usize, usize) {
        let taken = self.uses.iter().filter(|one| one.status.is_taken()).count();
        let inert = self
            .uses
            .iter()
            .filter(|one| matches!(one.status, Status::Inert(_)));
        (self.uses.len() + self.more.len(), taken, inert.count())
    }

    fn percentage(&self) -> f64 {
        let (all, taken, _) = self.counts();
        let share = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        if all == 0 {
            return 100.0;
        }
        // Rounded down, so that 100% means all.
        (share(taken) / share(all) * 1000.0).floor() / 10.0
    }

    /// For people: a line for each thing, with its first place.
    pub(super) fn text(&self, path: &str) -> String {
        let (all, taken, inert) = self.counts();
        let percentage = self.percentage();
        let mut out = format!(
            "{percentage}% of what {path} uses is honoured: {taken} of {all}, {inert} of them accepted without effect\n\n"
        );
        for (what, line) in self.lines() {
            let place = line
                .places
                .first()
                .map_or_else(String::new, |span| self.place_text(*span));
            let more = match line.places.len() {
                0 | 1 => String::new(),
                count => format!(" (and at {} more places)", count - 1),
            };
            let why = reason(line.status);
            let _ = writeln!(out, "{:<12}{place}{what}{more}{why}", line.status.as_str());
        }
        out
    }

    /// For machines: each thing with all its places.
    pub(super) fn json(&self) -> String {
        let (all, taken, inert) = self.counts();
        let number = |count: usize| Json::from(u32::try_from(count).unwrap_or(u32::MAX));
        let items = self.lines().into_iter().map(|(what, line)| {
            let places = line.places.iter().filter_map(|span| self.place_json(*span));
            let item = Json::object()
                .with("what", what)
                .with("status", line.status.as_str());
            let item = match line.status {
                Status::Inert(reason) => item.with("reason", reason),
                _ => item,
            };
            item.with("places", Json::List(places.collect()))
        });
        Json::object()
            .with("percentage", self.percentage())
            .with("used", number(all))
            .with("honoured", number(taken - inert))
            .with("inert", number(inert))
            .with("items", Json::List(items.collect()))
            .pretty()
    }

    fn place(&self, span: Span) -> Option<(&str, Position)> {
        let source = self.sources.get(span)?;
        Some((&source.name, source.position(span.start)))
    }

    fn place_text(&self, span: Span) -> String {
        let place = self.place(span);
        place.map_or_else(String::new, |(file, at)| {
            format!("{file}:{}:{}: ", at.line, at.column)
        })
    }

    fn place_json(&self, span: Span) -> Option<Json> {
        let (file, at) = self.place(span)?;
        let number = |count: usize| Json::from(u32::try_from(count).unwrap_or(u32::MAX));
        let place = Json::object().with("file", file);
        Some(
            place
                .with("line", number(at.line))
                .with("column", number(at.column)),
        )
    }
}

fn describe(kind: Kind, owner: &str, name: &str) -> String {
    match kind {
        Kind::Field => format!("field `{name}` of `{owner}`"),
        Kind::Type => format!("type `{owner}`"),
        Kind::Value => format!("value `{name}` of `{owner}`"),
    }
}
