//! What the Mongo proxy does with a connection's bytes.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nuncio_contract::network_filter::{
    LookingOn, NetworkContext, NetworkFilter, NetworkFilterConfig, NetworkFilterFactory,
    NetworkResume, NetworkStatus,
};
use nuncio_contract::stats::Scope;
use nuncio_contract::stream_info::metadata::{Struct, Value};

#[cfg(test)]
mod tests;

use super::bson::Unreadable;
use super::config::{Config, Settings};
use super::framing::Framing;
use super::message::{self, Message, Query, Reply};
use super::query;
use super::stats::{Named, Stats};

/// Where metadata is left.
const NAMESPACE: &str = "envoy.filters.network.mongo_proxy";
/// More queries that are not answered are not remembered.
const MAX_ACTIVE: usize = 1000;
/// More messages in what is read at once are an error: messages within messages may be of few bytes each.
const MAX_MESSAGES: usize = 1000;
/// More collections are not told of in metadata, nor those with longer names, which MongoDB would not take.
const MAX_TOLD: usize = 100;
const MAX_TOLD_NAME_BYTES: usize = 255;

/// Bits of a query's flags.
const TAILABLE_CURSOR: i32 = 1 << 1;
const NO_CURSOR_TIMEOUT: i32 = 1 << 4;
const AWAIT_DATA: i32 = 1 << 5;
const EXHAUST: i32 = 1 << 6;
/// Bits of an answer's.
const CURSOR_NOT_FOUND: i32 = 1;
const QUERY_FAILURE: i32 = 1 << 1;

/// What the connections of a worker share.
struct OnWorker {
    settings: Arc<Settings>,
    stats: Stats,
}

struct Factory(Rc<OnWorker>);

impl NetworkFilterConfig for Config {
    fn for_worker(&self, root: &Scope) -> Box<dyn NetworkFilterFactory> {
        Box::new(Factory(Rc::new(OnWorker {
            stats: Stats::new(root, &self.0.stat_prefix),
            settings: Arc::clone(&self.0),
        })))
    }

    fn sees_answers(&self) -> bool {
        true
    }
}

impl NetworkFilterFactory for Factory {
    fn wants_data(&self) -> bool {
        true
    }

    fn sees_answers(&self) -> bool {
        true
    }

    fn create(&self) -> Box<dyn NetworkFilter> {
        Box::new(self.connection())
    }
}

impl Factory {
    fn connection(&self) -> Filter {
        Filter {
            on_worker: Rc::clone(&self.0),
            from_client: Framing::default(),
            from_host: Framing::default(),
            active: Vec::new(),
            is_over: false,
        }
    }
}

/// A connection.
struct Filter {
    on_worker: Rc<OnWorker>,
    from_client: Framing,
    from_host: Framing,
    active: Vec<Active>,
    /// Whether nothing is read any more.
    is_over: bool,
}

/// A query that is not answered.
struct Active {
    id: i32,
    begun: Instant,
    named: Vec<Rc<Named>>,
}

impl NetworkFilter for Filter {
    fn on_data(
        &mut self,
        context: &mut NetworkContext<'_>,
        data: &[u8],
        _end_stream: bool,
    ) -> NetworkStatus {
        let mut framing = std::mem::take(&mut self.from_client);
        let delay = self.see(&mut framing, data, &mut context.looking_on());
        self.keep(|it| &mut it.from_client, framing);
        let Some(delay) = delay else {
            return NetworkStatus::Continue;
        };
        self.on_worker.stats.common.delays_injected.inc();
        let sleep = context.services.sleep(delay);
        NetworkStatus::Wait(Box::pin(async move {
            sleep.await;
            NetworkResume::Continue
        }))
    }

    fn on_answer(&mut self, context: &mut LookingOn<'_>, data: &[u8], _end_stream: bool) {
        let mut framing = std::mem::take(&mut self.from_host);
        let _clients_are_held_back_alone = self.see(&mut framing, data, context);
        self.keep(|it| &mut it.from_host, framing);
    }

    fn on_end(&mut self, by_client: bool) {
        if self.active.is_empty() {
            return;
        }
        let common = &self.on_worker.stats.common;
        match by_client {
            true => common.cx_destroy_remote_with_active_rq.inc(),
            false => common.cx_destroy_local_with_active_rq.inc(),
        }
    }
}

impl Drop for Filter {
    fn drop(&mut self) {
        let active = &self.on_worker.stats.common.op_query_active;
        self.active.iter().for_each(|_| active.dec());
    }
}

impl Filter {
    /// Reads what has come; how long it is to be held back, if it is.
    fn see(
        &mut self,
        framing: &mut Framing,
        data: &[u8],
        context: &mut LookingOn<'_>,
    ) -> Option<Duration> {
        let on_worker = Rc::clone(&self.on_worker);
        let settings = &on_worker.settings;
        let percent = settings.enabled.integer(100);
        let is_looked_at = percent >= 100 || context.services.random_u64() % 100 < percent;
        if self.is_over || !is_looked_at {
            // What comes later does not go on where this ended.
            *framing = Framing::default();
            return None;
        }
        if settings.tells_metadata {
            let metadata = context.stream_info.dynamic_metadata_mut();
            *metadata.namespace_mut(NAMESPACE) = Struct::default();
        }
        framing.push(data);
        let mut delay = None;
        for place in 0.. {
            let Some(bytes) = framing.next() else {
                return delay;
            };
            if place == MAX_MESSAGES {
                break;
            }
            let message = message::read(bytes, settings.max_depth);
            let is_held_back = matches!(
                message,
                Ok((
                    Message::Query(_)
                        | Message::Insert(_)
                        | Message::GetMore
                        | Message::KillCursors,
                    _
                ))
            );
            if is_held_back && delay.is_none() {
                let drawn = settings.delay.as_ref();
                delay = drawn.and_then(|it| it.draw(context.services.random_u64()));
            }
            let counted = message.and_then(|(message, rest)| {
                self.count(&message, context)?;
                Ok(rest)
            });
            match counted {
                Ok(rest) => framing.give_back(rest),
                Err(Unreadable) => break,
            }
        }
        on_worker.stats.common.decoding_error.inc();
        self.is_over = true;
        delay
    }

    /// Keeps the beginning of a message in its place; nothing in either direction once nothing is read any more.
    fn keep(&mut self, place: impl FnOnce(&mut Self) -> &mut Framing, framing: Framing) {
        *place(self) = framing;
        if self.is_over {
            self.from_client = Framing::default();
            self.from_host = Framing::default();
        }
    }

    fn count(
        &mut self,
        message: &Message<'_>,
        context: &mut LookingOn<'_>,
    ) -> Result<(), Unreadable> {
        let common = &self.on_worker.stats.common;
        match message {
            Message::Query(query) => return self.query(query, context),
            Message::Reply(reply) => self.reply(reply, context.services.now()),
            Message::GetMore => common.op_get_more.inc(),
            Message::Insert(collection) => {
                common.op_insert.inc();
                self.tell(context, collection, "insert");
            }
            Message::KillCursors => common.op_kill_cursors.inc(),
            Message::Command => common.op_command.inc(),
            Message::CommandReply => common.op_command_reply.inc(),
        }
        Ok(())
    }

    fn query(&mut self, query: &Query<'_>, context: &mut LookingOn<'_>) -> Result<(), Unreadable> {
        let OnWorker { settings, stats } = &*self.on_worker;
        let common = &stats.common;
        common.op_query.inc();
        for (flag, counter) in [
            (TAILABLE_CURSOR, &common.op_query_tailable_cursor),
            (NO_CURSOR_TIMEOUT, &common.op_query_no_cursor_timeout),
            (AWAIT_DATA, &common.op_query_await_data),
            (EXHAUST, &common.op_query_exhaust),
        ] {
            if query.flags & flag != 0 {
                counter.inc();
            }
        }
        self.tell(context, query.collection, "query");
        let asked = query::asked(query)?;
        let named = stats.query(&asked, &settings.commands);
        if self.active.len() < MAX_ACTIVE {
            common.op_query_active.inc();
            self.active.push(Active {
                id: query.id,
                begun: context.services.now(),
                named,
            });
        }
        Ok(())
    }

    fn reply(&mut self, reply: &Reply, now: Instant) {
        let common = &self.on_worker.stats.common;
        common.op_reply.inc();
        if reply.flags & CURSOR_NOT_FOUND != 0 {
            common.op_reply_cursor_not_found.inc();
        }
        if reply.flags & QUERY_FAILURE != 0 {
            common.op_reply_query_failure.inc();
        }
        if reply.cursor != 0 {
            common.op_reply_valid_cursor.inc();
        }
        let place = self.active.iter().position(|active| active.id == reply.to);
        let Some(active) = place.map(|place| self.active.remove(place)) else {
            return;
        };
        common.op_query_active.dec();
        let took = now.saturating_duration_since(active.begun);
        active
            .named
            .iter()
            .for_each(|named| named.answer(reply, took));
    }

    /// Leaves in metadata that something is done to a collection.
    fn tell(&self, context: &mut LookingOn<'_>, collection: &[u8], what: &str) {
        if !self.on_worker.settings.tells_metadata || collection.len() > MAX_TOLD_NAME_BYTES {
            return;
        }
        let metadata = context.stream_info.dynamic_metadata_mut();
        let mut told = Struct::default();
        let name = String::from_utf8_lossy(collection);
        let all = metadata.namespace_mut(NAMESPACE);
        if all.fields().len() >= MAX_TOLD && all.get(&name).is_none() {
            return;
        }
        told.insert(&*name, Value::List(vec![Value::String(what.into())]));
        all.merge(told);
    }
}
