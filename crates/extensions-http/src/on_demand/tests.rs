//! The on-demand filter on streams.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use nuncio_contract::config_source::ResourceSource;
use nuncio_contract::http_filter::{HeadersStatus, Resume};
use nuncio_contract::on_demand::{ClusterSource, Found, OnDemandClusters};
use nuncio_contract::on_demand_message::RoutesWith;
use nuncio_contract::services::{LocalFuture, Membership};

use super::ROOM;
use crate::tests::harness::{Worker, outcome};

/// Answers at once, and notes what was asked.
struct Answers(Found, RefCell<Vec<(String, Duration)>>);

impl OnDemandClusters for Answers {
    fn find(&self, source: &Arc<ClusterSource>, name: &str) -> LocalFuture<Found> {
        let asked = (name.to_owned(), source.timeout);
        self.1.borrow_mut().push(asked);
        Box::pin(std::future::ready(self.0))
    }
}

fn worker(yaml: &str, found: Found) -> (Worker, Rc<Answers>) {
    let worker = Worker::new(&ROOM, yaml);
    let answers = Rc::new(Answers(found, RefCell::default()));
    *worker.services.on_demand.borrow_mut() = Some(Rc::clone(&answers) as _);
    (worker, answers)
}

const CHAIN: &str = "{odcds: {source: {ads: {}}}}";

#[test]
fn a_cluster_that_is_not_there_is_asked_for_and_waited_for() {
    for found in [Found::Available, Found::Missing, Found::TimedOut] {
        let (worker, answers) = worker(CHAIN, found);
        let status = worker.stream().going_to("new").decode_headers(true);
        let HeadersStatus::Wait(mut wait) = status else {
            panic!("it does not wait");
        };
        let is_applied = matches!(outcome(&mut wait), Some(Resume::Then(_)));
        assert_eq!(is_applied, found == Found::Available);
        let asked = answers.1.borrow();
        assert_eq!(*asked, [("new".to_owned(), Duration::from_secs(5))]);
    }
}

#[test]
fn one_that_is_there_is_not_asked_for() {
    let (worker, answers) = worker(CHAIN, Found::Available);
    let mut clusters = worker.services.clusters.borrow_mut();
    clusters.insert("there", Membership::default());
    drop(clusters);
    let status = worker.stream().going_to("there").decode_headers(true);
    assert!(matches!(status, HeadersStatus::Continue));
    assert!(answers.1.borrow().is_empty());
}

#[test]
fn nobody_is_asked_without_a_source() {
    let (worker, answers) = worker("{}", Found::Available);
    let status = worker.stream().going_to("new").decode_headers(true);
    assert!(matches!(status, HeadersStatus::Continue));
    assert!(answers.1.borrow().is_empty());
}

#[test]
fn a_route_that_is_not_there_is_asked_for_once_and_looked_for_again() {
    for (found, is_routed) in [(Found::Available, true), (Found::Missing, false)] {
        let (worker, answers) = worker("{}", found);
        let routes = RoutesWith {
            name: "shop".into(),
            source: ResourceSource::Ads {
                fetch_timeout: None,
            },
        };
        let mut stream = worker.stream().in_routes_with_more(routes);
        let HeadersStatus::Wait(mut wait) = stream.decode_headers(true) else {
            panic!("it does not wait");
        };
        let resume = outcome(&mut wait);
        assert_eq!(matches!(resume, Some(Resume::Reroute)), is_routed);
        assert!(matches!(
            stream.decode_headers(true),
            HeadersStatus::Continue
        ));
        assert_eq!(answers.1.borrow().len(), 1);
    }
}

#[test]
fn nobody_is_asked_for_a_route_where_nobody_has_more() {
    let (worker, answers) = worker(CHAIN, Found::Available);
    let status = worker.stream().decode_headers(true);
    assert!(matches!(status, HeadersStatus::Continue));
    assert!(answers.1.borrow().is_empty());
}
