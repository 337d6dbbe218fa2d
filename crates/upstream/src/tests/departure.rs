//! Who has a connection of its own to a host hears of it when the cluster has the host no more.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use super::harness::{Fixture, answering, host, on_worker};
use crate::cluster::{ClusterSettings, HostSet};

#[test]
fn a_host_that_stays_has_not_left_though_its_pools_are_drained() {
    on_worker(async {
        let (first, second) = (answering("").await, answering("").await);
        let mut settings = ClusterSettings::named("c");
        settings.close_connections_on_host_set_change = true;
        let fixture = Fixture::new(settings, &[first]);
        let _has_a_pool = fixture.tcp_stream().await.unwrap();
        let members = fixture.cluster.members();
        let known = members.first().unwrap();
        let publish = |hosts| {
            let shared = fixture.cluster.shared();
            shared.publish_hosts(Arc::new(HostSet::new(hosts)));
            let _follows = fixture.cluster.members();
        };
        let mut left = pin!(known.left());
        let mut has_left =
            async || poll_fn(|cx| Poll::Ready(left.as_mut().poll(cx).is_ready())).await;
        assert!(!has_left().await);
        publish(vec![Arc::clone(known.host()), host(&second)]);
        assert!(!has_left().await);
        publish(vec![host(&second)]);
        assert!(has_left().await);
    });
}
