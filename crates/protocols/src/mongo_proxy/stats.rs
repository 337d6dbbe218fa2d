//! The counters of a worker, at `mongo.<stat_prefix>.`.
//!
//! Collections and callers are named by clients: a name that MongoDB would not take has no counters, and what would
//! end or split a line of statsd or of `/stats` is replaced, while Envoy shows it as it is.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use nuncio_contract::stat_group;
use nuncio_contract::stats::{Counter, Histogram, Scope, Unit};

use super::message::Reply;
use super::query::{Asked, Kind, Wanted};

/// Names beyond these have no counters.
const MAX_NAMES: usize = 1_000;
/// Nor have collections and callers with longer names: MongoDB's own limit for a database and its collection.
const MAX_NAME_BYTES: usize = 255;

stat_group! {
    /// What has no name.
    pub struct MongoStats("") {
        counters {
            cx_destroy_local_with_active_rq,
            cx_destroy_remote_with_active_rq,
            cx_drain_close,
            decoding_error,
            delays_injected,
            op_command,
            op_command_reply,
            op_get_more,
            op_insert,
            op_kill_cursors,
            op_query,
            op_query_await_data,
            op_query_exhaust,
            op_query_multi_get,
            op_query_no_cursor_timeout,
            op_query_no_max_time,
            op_query_scatter_get,
            op_query_tailable_cursor,
            op_reply,
            op_reply_cursor_not_found,
            op_reply_query_failure,
            op_reply_valid_cursor,
        }
        gauges { op_query_active }
    }
}

/// What counts a command, or the queries of a collection or of a caller.
pub(super) struct Named {
    scope: Option<Scope>,
    prefix: String,
    total: Arc<Counter>,
    /// Those that are listed once they count.
    later: RefCell<HashMap<&'static str, Arc<Counter>>>,
    answers: RefCell<Option<Answers>>,
}

/// What counts answers.
struct Answers {
    documents: Arc<Histogram>,
    bytes: Arc<Histogram>,
    milliseconds: Arc<Histogram>,
}

impl Named {
    fn new(scope: Option<&Scope>, prefix: String) -> Self {
        let total = scope.map(|scope| scope.counter(&format!("{prefix}.total")));
        Named {
            scope: scope.cloned(),
            total: total.unwrap_or_default(),
            prefix,
            later: RefCell::default(),
            answers: RefCell::default(),
        }
    }

    fn count(&self, name: &'static str) {
        let mut later = self.later.borrow_mut();
        let counter = later.entry(name).or_insert_with(|| {
            let name = format!("{}.{name}", self.prefix);
            let scope = self.scope.as_ref();
            scope.map(|scope| scope.counter(&name)).unwrap_or_default()
        });
        counter.inc();
    }

    fn query(&self, kind: Kind) {
        self.total.inc();
        match kind {
            Kind::OfId => {}
            Kind::MultiGet => self.count("multi_get"),
            Kind::ScatterGet => self.count("scatter_get"),
        }
    }

    /// It is answered.
    pub(super) fn answer(&self, reply: &Reply, took: Duration) {
        let mut answers = self.answers.borrow_mut();
        let answers = answers.get_or_insert_with(|| {
            let histogram = |name: &str, unit| {
                let name = format!("{}.{name}", self.prefix);
                let scope = self.scope.as_ref();
                let listed = scope.map(|scope| scope.histogram(&name, unit));
                listed.unwrap_or_default()
            };
            Answers {
                documents: histogram("reply_num_docs", Unit::Unspecified),
                bytes: histogram("reply_size", Unit::Bytes),
                milliseconds: histogram("reply_time_ms", Unit::Milliseconds),
            }
        });
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        answers.documents.record(count(reply.documents));
        answers.bytes.record(count(reply.document_bytes));
        let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        answers.milliseconds.record(milliseconds);
    }
}

/// All of them.
pub(super) struct Stats {
    scope: Option<Scope>,
    pub(super) common: Arc<MongoStats>,
    named: RefCell<HashMap<String, Rc<Named>>>,
}

impl Stats {
    pub(super) fn new(root: &Scope, prefix: &str) -> Self {
        let scope = root.scope(&format!("mongo.{prefix}"));
        Stats {
            common: scope
                .as_ref()
                .map_or_else(Arc::default, |scope| scope.worker_group()),
            scope,
            named: RefCell::default(),
        }
    }

    /// Counts a query; what counts its answer.
    pub(super) fn query(&self, asked: &Asked, commands: &[String]) -> Vec<Rc<Named>> {
        match asked {
            Asked::Command(name) => {
                let is_known = commands.iter().any(|known| known == name);
                let name = if is_known { name } else { "unknown_command" };
                let named = self.named(format!("cmd.{name}"));
                let named: Vec<_> = named.into_iter().collect();
                named.iter().for_each(|named| named.total.inc());
                named
            }
            Asked::Documents(wanted) => self.documents(wanted),
        }
    }

    fn documents(&self, wanted: &Wanted) -> Vec<Rc<Named>> {
        let common = &self.common;
        match wanted.kind {
            Kind::OfId => {}
            Kind::MultiGet => common.op_query_multi_get.inc(),
            Kind::ScatterGet => common.op_query_scatter_get.inc(),
        }
        if wanted.has_no_max_time {
            common.op_query_no_max_time.inc();
        }
        let Some(collection) = listed(&wanted.collection) else {
            return Vec::new();
        };
        let caller = wanted.caller.as_ref().and_then(|caller| listed(caller));
        let caller = caller.map(|it| format!("collection.{collection}.callsite.{it}.query"));
        let named = [Some(format!("collection.{collection}.query")), caller];
        let named = named.into_iter().flatten();
        let named: Vec<_> = named.filter_map(|name| self.named(name)).collect();
        named.iter().for_each(|named| named.query(wanted.kind));
        named
    }

    fn named(&self, name: String) -> Option<Rc<Named>> {
        let mut all = self.named.borrow_mut();
        if let Some(named) = all.get(&name) {
            return Some(Rc::clone(named));
        }
        if all.len() >= MAX_NAMES {
            return None;
        }
        let made = Rc::new(Named::new(self.scope.as_ref(), name.clone()));
        all.insert(name, Rc::clone(&made));
        Some(made)
    }
}

/// A client's name as it is listed, if it is. Colons and spaces stay as they do in Envoy: without the others they can
/// spoil no line of statsd but their own.
fn listed(name: &str) -> Option<String> {
    let is_unsafe = |letter: char| {
        let is_odd_space = letter.is_whitespace() && letter != ' ';
        letter.is_control() || is_odd_space || matches!(letter, '|' | '#' | '@')
    };
    (name.len() <= MAX_NAME_BYTES).then(|| name.replace(is_unsafe, "_"))
}

#[cfg(test)]
mod tests {
    use nuncio_contract::stats::StatsStore;

    use super::*;

    fn wanted(collection: &str, caller: Option<&str>) -> Asked {
        Asked::Documents(Wanted {
            collection: collection.to_owned(),
            caller: caller.map(str::to_owned),
            kind: Kind::OfId,
            has_no_max_time: false,
        })
    }

    /// The names of what counts these queries.
    fn names(queries: &[Asked]) -> Vec<String> {
        let store = StatsStore::default();
        let stats = Stats::new(&store.root(), "p");
        queries.iter().for_each(|asked| {
            stats.query(asked, &[]);
        });
        let scope = store.scope("mongo.p");
        let mut names = Vec::new();
        scope.for_each_dynamic(&mut |stat| names.push(stat.name.to_string()));
        names.sort();
        names
    }

    #[test]
    fn names_that_no_database_takes_have_no_counters() {
        let long = "n".repeat(MAX_NAME_BYTES);
        let longer = format!("{long}n");
        assert_eq!(
            names(&[wanted(&long, Some(&longer)), wanted(&longer, Some("f"))]),
            [format!("mongo.p.collection.{long}.query.total")]
        );
    }

    #[test]
    fn no_more_names_than_the_limit_have_counters() {
        let many = (0..MAX_NAMES + 5).map(|number| wanted(&number.to_string(), None));
        assert_eq!(names(&many.collect::<Vec<_>>()).len(), MAX_NAMES);
    }

    #[test]
    fn what_would_break_lines_of_stats_is_replaced() {
        assert_eq!(
            names(&[wanted("a b:c|d", Some("x\ny\u{1}\u{85}#@.é-$"))]),
            [
                "mongo.p.collection.a b:c_d.callsite.x_y____.é-$.query.total",
                "mongo.p.collection.a b:c_d.query.total",
            ]
        );
    }
}
