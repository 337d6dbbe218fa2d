//! Clusters that workers ask for when requests need them (ODCDS).
//!
//! Each source has one subscription, which grows by each name that is asked for; over `ads` each name has one of its
//! own. As in Envoy nothing more is asked for until the first has been answered, each name is asked for once whoever
//! waits for it, and who waits goes on when the cluster is there and warm, when its server takes it back, or when the
//! time of the first who waits has passed. Names are never asked for again, unless they were given up.
//!
//! Limits: those of [`super::asked_names`] for the names that are asked for; beyond that there is no such cluster.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use nuncio_contract::config_source::ResourceSource;
use nuncio_contract::on_demand::Found;
use nuncio_contract::on_demand_message::{RoutesWith, ScopesWith};
use nuncio_upstream::on_demand::Question;
use tokio::sync::mpsc::UnboundedReceiver;

use super::asked_names::{AskedNames, MOST_NAME_BYTES, Taken};
use super::delivery::Delivery;
use super::subscription::{Subscription, Wanted};
use super::{ASSIGNMENT, CLUSTER, Discovery, SECRET, clusters};
use crate::resource_name::{is_collection, is_such, normalized};
use crate::running::retirement;

/// How many questions are taken before what has come is looked at.
const MOST_AT_ONCE: usize = 1024;

/// All that is asked for.
#[derive(Default)]
pub(super) struct OnDemand {
    questions: Option<UnboundedReceiver<Question>>,
    sources: Vec<(ResourceSource, Asked)>,
    /// Who waits for a cluster, and for how long.
    waiting: HashMap<Box<str>, (Instant, Vec<Question>)>,
    names: AskedNames,
}

/// What a source is asked for.
#[derive(Default)]
struct Asked {
    /// One, or over `ads` one for each name, each with the name that it began with.
    subscriptions: Vec<(Box<str>, Rc<RefCell<Subscription>>)>,
    /// Names that are asked for once the first was answered.
    awaiting: Vec<Box<str>>,
    is_answered: bool,
}

impl OnDemand {
    pub(super) fn new(questions: Option<UnboundedReceiver<Question>>) -> Self {
        OnDemand {
            questions,
            ..OnDemand::default()
        }
    }

    /// Whether there is nothing to look after.
    pub(super) fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// When somebody has waited long enough.
    pub(super) fn next_end(&self) -> Option<Instant> {
        self.waiting.values().map(|(end, _)| *end).min()
    }

    /// The next question.
    pub(super) fn poll_question(&mut self, cx: &mut Context<'_>) -> Poll<Question> {
        let Some(questions) = &mut self.questions else {
            return Poll::Pending;
        };
        match questions.poll_recv(cx) {
            Poll::Ready(Some(question)) => Poll::Ready(question),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }

    /// A question that is there already.
    fn ready_question(&mut self) -> Option<Question> {
        self.questions.as_mut()?.try_recv().ok()
    }

    /// Asks nobody for a name any more. Subscriptions that were for it alone are to be dropped.
    fn give_up(&mut self, name: &str) -> Vec<Rc<RefCell<Subscription>>> {
        self.answer(name, Found::Missing);
        let mut ended = Vec::new();
        for (source, asked) in &mut self.sources {
            asked.awaiting.retain(|one| **one != *name);
            if matches!(source, ResourceSource::Ads { .. }) {
                let own = asked.subscriptions.iter();
                if let Some(at) = { own }.position(|(known, _)| **known == *name) {
                    ended.push(asked.subscriptions.remove(at).1);
                }
            } else if let Some((_, first)) = asked.subscriptions.first() {
                first.borrow().no_more(name);
            }
        }
        ended
    }

    /// The names that are waited for and are this one, however they are written.
    fn waiting_for(&self, name: &str) -> Vec<Box<str>> {
        if !is_such(name) {
            let waiting = self.waiting.get_key_value(name);
            return waiting.map(|(name, _)| name.clone()).into_iter().collect();
        }
        let own = normalized(name);
        let all = self.waiting.keys();
        all.filter(|asked| normalized(asked) == own)
            .cloned()
            .collect()
    }

    /// Answers all who wait for one of this name.
    fn answer(&mut self, name: &str, found: Found) {
        let waiting = self.waiting.remove(name);
        let questions = waiting.into_iter().flat_map(|(_, questions)| questions);
        questions.for_each(|question| question.answer(found));
    }
}

impl Discovery<'_> {
    /// Takes a question: answers it, or asks for what it asks for.
    pub(super) fn take_question(&self, question: Question) {
        if let Some(of) = question.source.whom.downcast_ref::<RoutesWith>() {
            let of = of.clone();
            return self.ask_for_host(of, question);
        }
        if let Some(of) = question.source.whom.downcast_ref::<ScopesWith>() {
            let of = of.clone();
            return self.ask_for_scope(of, question);
        }
        let name = question.name.clone();
        if self.around.manager.find(&name).is_some() {
            return question.answer(Found::Available);
        }
        let mut asked = self.on_demand.borrow_mut();
        if let Some((_, waiting)) = asked.waiting.get_mut(&name) {
            return waiting.push(question);
        }
        let whom = question.source.whom.downcast_ref::<ResourceSource>();
        // Names come from clients, who are not to have a whole collection asked for.
        let is_one = name.len() <= MOST_NAME_BYTES && !is_collection(&normalized(&name));
        let Some(source) = whom.cloned().filter(|_| is_one) else {
            return question.answer(Found::Missing);
        };
        let is_there = |name: &str| self.around.manager.find(name).is_some();
        let given_up = match asked.names.ask(&name, is_there) {
            Taken::In => Vec::new(),
            Taken::InsteadOf(other) => asked.give_up(&other),
            Taken::No => return question.answer(Found::Missing),
        };
        let end = Instant::now() + question.source.timeout;
        asked.waiting.insert(name.clone(), (end, vec![question]));
        drop(asked);
        // Nothing is borrowed while they end.
        drop(given_up);
        self.ask_for(&source, &name);
    }

    fn ask_for(&self, source: &ResourceSource, name: &str) {
        let is_ads = matches!(source, ResourceSource::Ads { .. });
        let mut on_demand = self.on_demand.borrow_mut();
        let at = on_demand.sources.iter().position(|(one, _)| one == source);
        let at = at.unwrap_or_else(|| {
            on_demand.sources.push((source.clone(), Asked::default()));
            on_demand.sources.len() - 1
        });
        let Some((_, asked)) = on_demand.sources.get_mut(at) else {
            return;
        };
        match asked.subscriptions.first() {
            Some((_, first)) if !is_ads => match asked.is_answered {
                true => first.borrow().also(name),
                false => asked.awaiting.push(name.into()),
            },
            _ => {
                let scope = self.around.stats.scope("cluster_manager.odcds");
                let wanted = Wanted::one(CLUSTER, name);
                let (subscription, _nothing_is_there_at_once) =
                    Subscription::begin(&self.planes, wanted, source, scope);
                // Who asks again asks instead, so that there are no more of them than names.
                asked.subscriptions.retain(|(known, _)| **known != *name);
                let subscription = Rc::new(RefCell::new(subscription));
                asked.subscriptions.push((name.into(), subscription));
            }
        }
    }

    /// Takes what has come, and answers who need not wait any longer.
    pub(super) fn look_for_on_demand(&self) {
        let all: Vec<_> = {
            let on_demand = self.on_demand.borrow();
            let sources = on_demand.sources.iter().enumerate();
            let all = sources.flat_map(|(at, (_, asked))| {
                let subscriptions = asked.subscriptions.iter().cloned();
                subscriptions.map(move |(_, subscription)| (at, subscription))
            });
            all.collect()
        };
        for (at, subscription) in all {
            let delivery = subscription.borrow_mut().look();
            if let Some(delivery) = delivery {
                self.deliver_on_demand(&subscription.borrow(), delivery);
            }
            if subscription.borrow().first().is_done() {
                self.ask_for_the_rest(at);
            }
        }
        self.answer_questions();
    }

    /// What was asked for while the first was not answered.
    fn ask_for_the_rest(&self, at: usize) {
        let mut on_demand = self.on_demand.borrow_mut();
        let Some((_, asked)) = on_demand.sources.get_mut(at) else {
            return;
        };
        asked.is_answered = true;
        let first = asked.subscriptions.first();
        for name in std::mem::take(&mut asked.awaiting) {
            if let Some((_, first)) = first {
                first.borrow().also(&name);
            }
        }
    }

    fn deliver_on_demand(&self, subscription: &Subscription, delivery: Delivery) {
        let response = match delivery {
            Ok(response) => response,
            Err(failure) => return subscription.fail(&failure, self.workshop.style()),
        };
        let _until_all_are_made = self.planes.pause(&[ASSIGNMENT, SECRET]);
        let mut bench = self.workshop.begin(&response, &self.running);
        let plan = clusters::plan_of_named(self, &mut bench, &response);
        let version = std::sync::Arc::clone(bench.version());
        bench.tell();
        let verdict = plan.and_then(|mut plan| {
            let verdict = plan.tell(self);
            if plan.changes_something() {
                self.running.clusters.borrow_mut().note_update(version);
                let put = std::mem::take(&mut plan.put);
                let removed = std::mem::take(&mut plan.removed);
                let most = retirement(self.around.options);
                self.running
                    .update_clusters(put, removed, self.workers(), most);
                self.end_unused_endpoints();
                self.secrets.drop_unused();
            }
            verdict
        });
        let mut on_demand = self.on_demand.borrow_mut();
        for name in response.removed.iter().flatten() {
            on_demand.names.lost(name);
            for asked in on_demand.waiting_for(name) {
                on_demand.names.lost(&asked);
                on_demand.answer(&asked, Found::Missing);
            }
        }
        drop(on_demand);
        subscription.answer(&response.version, &verdict);
    }

    /// Answers who waits for what is there, and who has waited long enough.
    pub(super) fn answer_questions(&self) {
        let mut on_demand = self.on_demand.borrow_mut();
        let (now, manager) = (Instant::now(), self.around.manager);
        let waiting = on_demand.waiting.iter();
        let over: Vec<_> = waiting
            .filter_map(|(name, (end, _))| match manager.find(name) {
                Some(_) => Some((name.clone(), Found::Available)),
                None => (*end <= now).then(|| (name.clone(), Found::TimedOut)),
            })
            .collect();
        for (name, found) in over {
            on_demand.answer(&name, found);
        }
    }

    /// Waits until something is to be done for who waits: a cluster came, or one has waited long enough.
    pub(super) async fn on_demand_moment(&self) {
        let came = Rc::clone(&self.running.clusters.borrow().came);
        let end = self.on_demand.borrow().next_end();
        match end {
            None => std::future::pending().await,
            Some(end) => tokio::select! {
                () = came.notified() => {}
                () = tokio::time::sleep_until(end.into()) => {}
            },
        }
    }

    /// The next question of a worker.
    pub(super) async fn next_question(&self) -> Question {
        std::future::poll_fn(|cx| self.on_demand.borrow_mut().poll_question(cx)).await
    }

    /// Takes questions that have come as well, so that one look at what has come is for all.
    pub(super) fn take_more_questions(&self) {
        for _ in 0..MOST_AT_ONCE {
            let next = self.on_demand.borrow_mut().ready_question();
            let Some(question) = next else {
                return;
            };
            self.take_question(question);
        }
    }
}
