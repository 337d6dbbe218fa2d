//! Many requests: connections kept, shared, limited and lost.

use std::cell::Cell;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::harness::{Fixture, answering, begin, host, on_worker, read_response, request, serve};
use crate::Acquired;
use crate::UpstreamErrorKind as Kind;
use crate::cluster::{
    ClusterSettings, HealthFlags, Host, HostSet, Preconnect, ResourcePriority, Thresholds,
};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn settings(change: impl FnOnce(&mut ClusterSettings)) -> ClusterSettings {
    let mut settings = ClusterSettings::named("c");
    change(&mut settings);
    settings
}

fn limited(change: impl FnOnce(&mut Thresholds)) -> ClusterSettings {
    settings(|settings| change(&mut settings.thresholds[0]))
}

fn nobody() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

#[test]
fn a_refused_connection_fails_everything_that_waits() {
    on_worker(async {
        let fixture = Fixture::to(&[nobody()]);
        let (first, second) = tokio::join!(fixture.get("/"), fixture.get("/"));
        for error in [first.unwrap_err(), second.unwrap_err()] {
            assert_eq!(error.kind, Kind::RemoteConnectionFailure);
            assert_eq!(
                error.to_string(),
                "remote connection failure, transport failure reason: \
                 delayed connect error: Connection refused"
            );
            assert!(!error.request_sent);
        }
        assert_eq!(fixture.stat("upstream_rq_pending_failure_eject"), 2);
        assert_eq!(fixture.stat("upstream_cx_connect_fail"), 2);
        assert_eq!(fixture.stat("upstream_cx_destroy_remote"), 2);
        assert_eq!(fixture.stat("upstream_rq_pending_active"), 0);
        assert_eq!(fixture.stat("upstream_rq_total"), 0);
    });
}

#[test]
fn a_cluster_without_hosts_has_no_healthy_upstream() {
    on_worker(async {
        let fixture = Fixture::to(&[]);
        assert_eq!(
            fixture.get("/").await.unwrap_err().kind,
            Kind::NoHealthyUpstream
        );
        assert_eq!(fixture.stat("upstream_cx_none_healthy"), 1);
        assert_eq!(fixture.stat("lb_healthy_panic"), 1);
    });
}

#[test]
fn hosts_take_turns() {
    on_worker(async {
        let hosts = [
            answering(OK).await,
            answering(OK).await,
            answering(OK).await,
        ];
        let fixture = Fixture::to(&hosts);
        for _ in 0..9 {
            fixture.get("/").await.unwrap();
        }
        for host in fixture.cluster.shared().hosts().iter() {
            let totals = host.totals();
            assert_eq!(
                (totals.rq_total, totals.cx_total, totals.cx_active),
                (3, 1, 1)
            );
        }
    });
}

#[test]
fn health_is_ignored_in_a_panic_and_obeyed_otherwise() {
    on_worker(async {
        let hosts = [
            answering(OK).await,
            answering(OK).await,
            answering(OK).await,
        ];
        let fixture = Fixture::to(&hosts);
        let set = fixture.cluster.shared().hosts();
        let sick = set.iter().next().unwrap();
        sick.set_health(HealthFlags::FAILED_EDS_HEALTH);
        fixture.cluster.shared().publish_hosts(Arc::clone(&set));
        for _ in 0..6 {
            fixture.get("/").await.unwrap();
        }
        assert_eq!(sick.totals().rq_total, 0);
        assert_eq!(fixture.stat("lb_healthy_panic"), 0);
        set.iter()
            .for_each(|host| host.set_health(HealthFlags::FAILED_EDS_HEALTH));
        fixture.cluster.shared().publish_hosts(Arc::clone(&set));
        for _ in 0..6 {
            fixture.get("/").await.unwrap();
        }
        assert_eq!(sick.totals().rq_total, 2);
        assert_eq!(fixture.stat("lb_healthy_panic"), 6);
    });
}

#[test]
fn waiting_requests_share_the_one_connection_that_is_allowed() {
    on_worker(async {
        let settings = limited(|limits| limits.max_connections = 1);
        let fixture = Fixture::new(settings, &[answering(OK).await]);
        let (a, b, c) = tokio::join!(fixture.get("/a"), fixture.get("/b"), fixture.get("/c"));
        assert!(
            [a, b, c]
                .iter()
                .all(|response| response.as_ref().unwrap().status == 200)
        );
        assert_eq!(fixture.stat("upstream_cx_total"), 1);
        assert!(fixture.stat("upstream_cx_overflow") > 0);
        assert_eq!(fixture.stat("upstream_rq_pending_total"), 3);
        assert_eq!(fixture.stat("circuit_breakers.default.cx_open"), 1);
    });
}

#[test]
fn a_host_has_connections_up_to_its_own_limit_and_others_theirs() {
    on_worker(async {
        let settings = limited(|limits| limits.max_connections_per_host = 1);
        let fixture = Fixture::new(settings, &[answering(OK).await, answering(OK).await]);
        let (a, b) = tokio::join!(fixture.get("/a"), fixture.get("/b"));
        let (c, d) = tokio::join!(fixture.get("/c"), fixture.get("/d"));
        assert!([a, b, c, d].iter().all(Result::is_ok));
        for host in fixture.cluster.shared().hosts().iter() {
            assert_eq!(host.totals().cx_total, 1);
        }
        let all = [
            fixture.get("/"),
            fixture.get("/"),
            fixture.get("/"),
            fixture.get("/"),
        ];
        let [a, b, c, d] = all;
        let all = tokio::join!(a, b, c, d);
        assert!(all.0.is_ok() && all.1.is_ok() && all.2.is_ok() && all.3.is_ok());
        assert_eq!(fixture.stat("upstream_cx_total"), 2);
        assert!(fixture.stat("upstream_cx_overflow") > 0);
    });
}

#[test]
fn requests_beyond_the_queue_overflow() {
    on_worker(async {
        let settings = limited(|limits| limits.max_pending_requests = 1);
        let fixture = Fixture::new(settings, &[answering(OK).await]);
        let (first, second) = tokio::join!(fixture.get("/"), fixture.get("/"));
        assert_eq!(first.unwrap().status, 200);
        assert_eq!(second.unwrap_err().kind, Kind::Overflow);
        assert_eq!(fixture.stat("upstream_rq_pending_overflow"), 1);
        assert_eq!(fixture.stat("circuit_breakers.default.rq_pending_open"), 0);
    });
}

#[test]
fn requests_beyond_max_requests_overflow_and_leave_the_connection() {
    on_worker(async {
        let settings = limited(|limits| limits.max_requests = 1);
        let fixture = Fixture::new(settings, &[answering(OK).await]);
        let held = fixture.stream().await.unwrap();
        assert_eq!(fixture.stat("circuit_breakers.default.rq_open"), 1);
        assert_eq!(fixture.get("/").await.unwrap_err().kind, Kind::Overflow);
        assert_eq!(fixture.stat("upstream_rq_active_overflow"), 1);
        drop(held);
        assert_eq!(fixture.stat("circuit_breakers.default.rq_open"), 0);
        fixture.get("/").await.unwrap();
        assert_eq!(fixture.stat("upstream_cx_total"), 2);
    });
}

#[test]
fn a_connection_serves_no_more_than_max_requests_per_connection() {
    on_worker(async {
        let settings = settings(|settings| settings.http.max_requests_per_connection = Some(2));
        let fixture = Fixture::new(settings, &[answering(OK).await]);
        for _ in 0..4 {
            fixture.get("/").await.unwrap();
        }
        assert_eq!(fixture.stat("upstream_cx_total"), 2);
        assert_eq!(fixture.stat("upstream_cx_max_requests"), 2);
        assert_eq!(fixture.stat("upstream_cx_active"), 0);
    });
}

#[test]
fn a_spent_connection_is_replaced_for_those_who_wait() {
    on_worker(async {
        let settings = settings(|settings| {
            settings.http.max_requests_per_connection = Some(1);
            settings.thresholds[0].max_connections = 1;
        });
        let fixture = Fixture::new(settings, &[answering(OK).await]);
        let (a, b, c) = tokio::join!(fixture.get("/a"), fixture.get("/b"), fixture.get("/c"));
        assert!([a, b, c].iter().all(Result::is_ok));
        assert_eq!(fixture.stat("upstream_cx_total"), 3);
    });
}

#[test]
fn an_idle_connection_that_the_host_closes_is_noticed_and_not_used() {
    on_worker(async {
        let host = serve(|mut served| async move {
            served.head().await;
            served.send(OK).await;
        })
        .await;
        let fixture = Fixture::to(&[host]);
        fixture.get("/").await.unwrap();
        fixture.until_stat("upstream_cx_destroy_remote", 1).await;
        assert_eq!(fixture.stat("upstream_cx_active"), 0);
        assert_eq!(fixture.stat("upstream_cx_destroy_with_active_rq"), 0);
        fixture.get("/").await.unwrap();
        assert_eq!(fixture.stat("upstream_cx_total"), 2);
    });
}

#[test]
fn an_idle_connection_is_closed_after_its_idle_timeout() {
    on_worker(async {
        let settings =
            settings(|settings| settings.http.idle_timeout = Some(Duration::from_millis(80)));
        let fixture = Fixture::new(settings, &[answering(OK).await]);
        fixture.get("/").await.unwrap();
        fixture.until_stat("upstream_cx_idle_timeout", 1).await;
        assert_eq!(fixture.stat("upstream_cx_destroy_local"), 1);
        assert_eq!(fixture.stat("upstream_cx_active"), 0);
    });
}

#[test]
fn a_connection_that_takes_too_long_to_open_times_out() {
    on_worker(async {
        // A full backlog: the kernel drops further SYNs.
        let listener = socket2_like_listener();
        let address = listener.0.local_addr().unwrap();
        let settings = settings(|settings| settings.connect_timeout = Duration::from_millis(100));
        let fixture = Fixture::new(settings, &[address]);
        let error = fixture.get("/").await.unwrap_err();
        assert_eq!(
            (error.kind, error.to_string().as_str()),
            (Kind::ConnectionTimeout, "connection timeout")
        );
        assert_eq!(fixture.stat("upstream_cx_connect_timeout"), 1);
        assert_eq!(fixture.stat("upstream_cx_destroy_local"), 1);
    });
}

/// A listener with a backlog of nothing, and the connections that fill it.
fn socket2_like_listener() -> (tokio::net::TcpListener, Vec<std::net::TcpStream>) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let wait = Duration::from_millis(50);
    let fill = std::iter::from_fn(|| std::net::TcpStream::connect_timeout(&address, wait).ok());
    (listener, fill.take(64).collect())
}

#[test]
fn giving_up_a_wait_gives_up_the_place() {
    on_worker(async {
        let settings = limited(|limits| limits.max_connections = 1);
        let fixture = Fixture::new(settings, &[answering(OK).await]);
        let held = fixture.stream().await.unwrap();
        let host = fixture.cluster.pick_host().unwrap();
        let pending = match host.new_stream(ResourcePriority::Default, None).unwrap() {
            Acquired::Pending(pending) => pending,
            Acquired::Ready(_) => panic!("the only connection is taken"),
        };
        assert_eq!(fixture.stat("upstream_rq_pending_active"), 1);
        drop(pending);
        assert_eq!(fixture.stat("upstream_rq_pending_active"), 0);
        assert_eq!(fixture.stat("upstream_rq_cancelled"), 1);
        drop(held);
        fixture.get("/").await.unwrap();
    });
}

#[test]
fn a_removed_host_drains() {
    on_worker(async {
        let (old, new) = (answering(OK).await, answering(OK).await);
        let fixture = Fixture::to(&[old]);
        fixture.get("/").await.unwrap();
        let held = fixture.stream().await.unwrap();
        fixture
            .cluster
            .shared()
            .publish_hosts(Arc::new(HostSet::new(vec![host(&new)])));
        fixture.get("/").await.unwrap();
        assert_eq!(fixture.stat("upstream_cx_active"), 2);
        drop(held);
        assert_eq!(fixture.stat("upstream_cx_active"), 1);
        assert_eq!(fixture.stat("upstream_cx_destroy_local"), 1);
    });
}

const BY_THE_PROXY: &str = "HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\nby the proxy";

#[test]
fn connections_to_come_go_by_what_discovery_says_of_the_host_now() {
    on_worker(async {
        let (old, new) = (answering(OK).await, answering(BY_THE_PROXY).await);
        let fixture = Fixture::to(&[old]);
        let held = fixture.stream().await.unwrap();
        let before = Arc::clone(fixture.cluster.shared().hosts().iter().next().unwrap());
        let mut now = Host::new(old, "", 1, 0, Arc::default(), HealthFlags::HEALTHY);
        now.http_proxy = Some(Box::new(new));
        let now = Arc::new(now.goes_on(&before));
        let hosts = Arc::new(HostSet::new(vec![now]));
        fixture.cluster.shared().publish_hosts(hosts);
        assert_eq!(fixture.get("/").await.unwrap().body, b"by the proxy");
        drop(held);
    });
}

#[test]
fn nothing_stays_of_a_request_that_chose_the_host_before_it_changed() {
    on_worker(async {
        let address = answering(OK).await;
        let fixture = Fixture::to(&[address]);
        let chosen = fixture.cluster.pick_host().unwrap();
        let before = Arc::clone(chosen.host());
        let now = Host::new(address, "", 2, 0, Arc::default(), HealthFlags::HEALTHY);
        let hosts = Arc::new(HostSet::new(vec![Arc::new(now.goes_on(&before))]));
        fixture.cluster.shared().publish_hosts(hosts);
        fixture.get("/").await.unwrap();
        let late = chosen.new_stream(ResourcePriority::Default, None).unwrap();
        let mut stream = begin(late).await.unwrap();
        stream.write_head(&request("GET", "/"), true);
        poll_fn(|cx| stream.poll_flush(cx)).await;
        read_response(&mut stream).await.unwrap();
        drop(stream);
        fixture.until_stat("upstream_cx_destroy_local", 1).await;
        assert_eq!(fixture.stat("upstream_cx_active"), 1);
    });
}

#[test]
fn each_client_that_leaves_ends_an_attempt_to_connect_that_is_for_nobody() {
    on_worker(async {
        let listener = socket2_like_listener();
        let fixture = Fixture::to(&[listener.0.local_addr().unwrap()]);
        let host = fixture.cluster.pick_host().unwrap();
        for turns_before in [0, 3] {
            let ask = || host.new_tcp_stream().unwrap();
            let mut waiting: Vec<_> = (0..3).map(|_| ask()).collect();
            turns(turns_before).await;
            assert_eq!(fixture.stat("upstream_cx_active"), 3);
            waiting.truncate(1);
            turns(3).await;
            assert_eq!(fixture.stat("upstream_cx_active"), 1);
            drop(waiting);
            turns(3).await;
            assert_eq!(fixture.stat("upstream_cx_active"), 0);
        }
        assert_eq!(fixture.stat("upstream_cx_connect_fail"), 0);
    });
}

/// Gives other tasks their turns.
async fn turns(count: usize) {
    for _ in 0..count {
        tokio::task::yield_now().await;
    }
}

#[test]
fn a_replaced_cluster_drains_and_the_new_one_serves() {
    on_worker(async {
        let address = answering(OK).await;
        let fixture = Fixture::to(&[address]);
        fixture.get("/").await.unwrap();
        let id = fixture.manager.find("c").unwrap();
        let shared = fixture.manager.prepare(
            ClusterSettings::named("c"),
            crate::TransportSocket::RawBuffer,
            true,
        );
        shared.publish_hosts(Arc::new(HostSet::new(vec![host(&address)])));
        fixture.manager.publish([shared]);
        assert_eq!(fixture.stat("membership_total"), 1);
        let renewed = fixture.clusters.get(id).unwrap();
        assert!(renewed.shared().added_via_api);
        assert!(!Rc::ptr_eq(&renewed, &fixture.cluster));
        fixture.manager.remove("c");
        assert!(fixture.clusters.get(id).is_none());
    });
}

#[test]
fn a_connection_lost_in_use_is_replaced_for_those_who_wait() {
    on_worker(async {
        let served_so_far = Rc::new(Cell::new(0));
        let host = serve(move |mut served| {
            let nth = served_so_far.get();
            served_so_far.set(nth + 1);
            async move {
                while !served.head().await.is_empty() && nth > 0 {
                    served.send(OK).await;
                }
            }
        })
        .await;
        let settings = limited(|limits| limits.max_connections = 1);
        let fixture = Fixture::new(settings, &[host]);
        let (first, second) = tokio::join!(fixture.get("/"), fixture.get("/"));
        assert_eq!(first.unwrap_err().kind, Kind::ConnectionTermination);
        assert_eq!(second.unwrap().status, 200);
        assert_eq!(fixture.stat("upstream_cx_total"), 2);
    });
}

#[test]
fn connections_of_different_names_are_kept_apart() {
    on_worker(async {
        let fixture = Fixture::to(&[answering(OK).await]);
        for name in [
            "a.example",
            "A.example:80",
            "b.example",
            "a.example",
            "b.example",
        ] {
            fixture.get_named(name).await.unwrap();
        }
        fixture.get("/").await.unwrap();
        assert_eq!(fixture.stat("upstream_cx_total"), 3);
        assert_eq!(fixture.stat("upstream_rq_total"), 6);
    });
}

#[test]
fn names_that_clients_make_up_hold_no_more_connections_than_the_breaker_allows() {
    on_worker(async {
        let host = answering(OK).await;
        let fixture = Fixture::new(limited(|limits| limits.max_connections = 3), &[host]);
        for number in 0..100 {
            fixture
                .get_named(&format!("n{number}.example"))
                .await
                .unwrap();
            assert!(fixture.stat("upstream_cx_active") <= 3);
        }
        assert_eq!(fixture.stat("upstream_cx_total"), 100);
        assert_eq!(fixture.stat("upstream_cx_overflow"), 0);
    });
}

#[test]
fn connections_are_opened_for_requests_that_are_expected() {
    on_worker(async {
        let fixture = Fixture::new(
            settings(|settings| {
                settings.preconnect = Some(Preconnect {
                    per_upstream: 2.0,
                    predictive: 0.0,
                });
            }),
            &[answering(OK).await],
        );
        assert_eq!(fixture.get("/").await.unwrap().status, 200);
        fixture.until_stat("upstream_cx_total", 2).await;
        let both = tokio::join!(fixture.get("/"), fixture.get("/"));
        assert!(both.0.is_ok() && both.1.is_ok());
        fixture.until_stat("upstream_cx_total", 4).await;
    });
}

#[test]
fn a_host_is_reached_at_another_of_its_addresses() {
    on_worker(async {
        let open = answering(OK).await;
        let fixture = Fixture::to(&[]);
        let mut two = Host::new(nobody(), "", 1, 0, Arc::default(), HealthFlags::HEALTHY);
        two.addresses = Some([two.address, open].into());
        let set = HostSet::new(vec![Arc::new(two)]);
        fixture.cluster.shared().publish_hosts(Arc::new(set));
        let stream = fixture.stream().await.unwrap();
        assert_eq!(stream.host_address(), open.into());
        assert_eq!(fixture.stat("upstream_cx_total"), 2);
        assert_eq!(fixture.stat("upstream_cx_connect_fail"), 0);
        assert_eq!(fixture.stat("upstream_cx_active"), 1);
    });
}
