//! Where the names that stand among slots lead to: all are looked up at once.
//!
//! Limits: an answer may have [`MAX_NAMES`] of them, of which [`MAX_AT_ONCE`] are looked up at a time; those that are
//! not found after [`MAX_TIME`] lead nowhere. As in Envoy a name is its first address.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::redis_cluster::slots::{Node, SlotRange};

/// More of them are no answer.
const MAX_NAMES: usize = 4096;
const MAX_AT_ONCE: usize = 64;
/// For all of them.
const MAX_TIME: Duration = Duration::from_secs(30);

/// Where each leads to; those that lead nowhere are left out.
pub(super) type Names = HashMap<Box<str>, IpAddr>;

/// The names among slots, each once; none if there are too many.
pub(super) fn among(ranges: &[SlotRange]) -> Option<Vec<Box<str>>> {
    let mut known = HashSet::new();
    let nodes = ranges.iter().flat_map(|range| {
        let primary = std::iter::once(&range.primary);
        primary.chain(&range.replicas)
    });
    let is_name = |node: &&Node| node.name.parse::<IpAddr>().is_err();
    let names = nodes
        .filter(is_name)
        .filter(|node| known.insert(&*node.name));
    let names: Vec<_> = names
        .take(MAX_NAMES + 1)
        .map(|it| it.name.clone())
        .collect();
    (names.len() <= MAX_NAMES).then_some(names)
}

/// Looks all up; the answer of each that has come in time is shown to `answered`, which says where it leads to.
pub(super) async fn resolve<A, F>(
    names: Vec<Box<str>>,
    lookup: impl Fn(Box<str>) -> F,
    answered: impl Fn(Option<A>) -> Option<IpAddr>,
) -> Names
where
    A: 'static,
    F: Future<Output = A> + 'static,
{
    let due = Instant::now() + MAX_TIME;
    let mut found = Names::new();
    let mut lookups = JoinSet::new();
    let mut rest = names.into_iter();
    loop {
        while lookups.len() < MAX_AT_ONCE
            && let Some(name) = rest.next()
        {
            let lookup = lookup(name.clone());
            lookups.spawn_local(async move { (name, lookup.await) });
        }
        match timeout_at(due, lookups.join_next()).await {
            Ok(Some(Ok((name, answer)))) => {
                found.extend(answered(Some(answer)).map(|address| (name, address)));
            }
            Ok(Some(Err(_))) => {
                let _it_leads_nowhere = answered(None);
            }
            Ok(None) => return found,
            Err(_) => break,
        }
    }
    let late = lookups.len() + rest.len();
    for _ in 0..late {
        let _it_leads_nowhere = answered(None);
    }
    found
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use tokio::task::LocalSet;

    use super::*;

    fn node(name: &str) -> Node {
        Node {
            name: name.into(),
            port: 1,
        }
    }

    fn range(primary: &str, replicas: &[&str]) -> SlotRange {
        SlotRange {
            first: 0,
            last: 1,
            primary: node(primary),
            replicas: replicas.iter().map(|name| node(name)).collect(),
        }
    }

    #[test]
    fn each_name_is_looked_up_once_and_addresses_never() {
        let ranges = [range("a", &["127.0.0.1", "b"]), range("::1", &["a"])];
        let names = among(&ranges).expect("they are few");
        assert_eq!(names, ["a".into(), "b".into()]);
    }

    #[test]
    fn too_many_names_are_no_answer() {
        let numbered = |number: usize| range(&format!("n{number}"), &[]);
        let ranges: Vec<_> = (0..=MAX_NAMES).map(numbered).collect();
        assert_eq!(among(&ranges), None);
        assert!(among(&ranges[1..]).is_some_and(|names| names.len() == MAX_NAMES));
    }

    #[tokio::test(start_paused = true)]
    async fn names_are_looked_up_at_once_but_not_too_many() {
        let (now, most) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let lookup = |_| {
            let (now, most) = (Rc::clone(&now), Rc::clone(&most));
            async move {
                now.set(now.get() + 1);
                most.set(most.get().max(now.get()));
                tokio::time::sleep(Duration::from_secs(1)).await;
                now.set(now.get() - 1);
                IpAddr::from([127, 0, 0, 1])
            }
        };
        let begun = Instant::now();
        let names = (0..MAX_AT_ONCE * 2).map(|number| number.to_string().into());
        let found = resolve(names.collect(), lookup, |answer| answer);
        let found = LocalSet::new().run_until(found).await;
        assert_eq!((found.len(), most.get()), (MAX_AT_ONCE * 2, MAX_AT_ONCE));
        assert_eq!(begun.elapsed().as_secs(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn names_that_are_never_found_keep_nobody_waiting() {
        let lookup = |name: Box<str>| async move {
            if name.starts_with("slow") {
                std::future::pending::<()>().await;
            }
            IpAddr::from([127, 0, 0, 1])
        };
        let late = Cell::new(0);
        let answered = |answer: Option<IpAddr>| {
            late.set(late.get() + usize::from(answer.is_none()));
            answer
        };
        let mut names: Vec<Box<str>> = vec!["quick".into()];
        names.extend((0..MAX_AT_ONCE + 3).map(|number| format!("slow{number}").into()));
        let tasks = LocalSet::new();
        let found = tasks.run_until(resolve(names, lookup, answered)).await;
        assert_eq!(found.keys().collect::<Vec<_>>(), [&Box::from("quick")]);
        assert_eq!(late.get(), MAX_AT_ONCE + 3);
    }
}
