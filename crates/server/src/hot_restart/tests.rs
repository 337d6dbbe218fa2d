//! A parent and its children in one process, over real sockets.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread::JoinHandle;

use nuncio_contract::stats::StatsStore;
use nuncio_contract::stats::groups::ListenerStats;
use nuncio_net::bound::bind;
use nuncio_net::listener::ListenOptions;
use nuncio_net::pipe::PipeAddress;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::child::{NoParent, Predecessor};
use super::message::Message;
use super::name::Name;
use super::parent::{Ask, Descent, Parent, Wish};
use super::stats::Merger;
use super::wire::Wire;

/// A parent of epoch 0 with a name of its own.
struct Setting {
    socket_path: String,
    parent: Parent,
    stats: StatsStore,
    asks: UnboundedReceiver<Ask>,
}

impl Setting {
    /// One that says it is of `epoch`.
    fn saying(epoch: u32) -> Setting {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Relaxed);
        let socket_path = format!("@nuncio_kin_{}_{number}", std::process::id());
        let name = Name::of(&socket_path, 0, 0).expect("it is short");
        let listener = name.listen(0).expect("it is free");
        let (asking, asks) = unbounded_channel();
        let descent = Descent {
            epoch,
            first_start_s: 1_000,
            generation: 5,
        };
        let stats = StatsStore::default();
        let parent = Parent::start(listener, None, &descent, stats.clone(), asking);
        Setting {
            socket_path,
            parent: parent.expect("threads start"),
            stats,
            asks,
        }
    }

    /// One that children may come to.
    fn ready() -> Setting {
        let setting = Setting::saying(0);
        setting.parent.initialized();
        setting
    }

    fn meet(&self) -> Result<Predecessor, String> {
        Predecessor::meet(&self.socket_path, 0, 1).map_err(|no_parent| match no_parent {
            NoParent::Absent(why) | NoParent::Wrong(why) => why,
        })
    }
}

/// Grants all wishes with what `grant` makes of them, until nobody wishes.
fn main_thread(
    mut asks: UnboundedReceiver<Ask>,
    grant: impl Fn(Wish) -> Vec<OwnedFd> + Send + 'static,
) -> JoinHandle<()> {
    std::thread::spawn(move || {
        while let Some(Ask { wish, granted }) = asks.blocking_recv() {
            let is_last = matches!(wish, Wish::ChildLost);
            let _the_child_may_be_gone = granted.send(grant(wish));
            if is_last {
                return;
            }
        }
    })
}

#[test]
fn the_version_that_users_compare_is_the_protocols() {
    let version = super::message::VERSION;
    assert_eq!(crate::HOT_RESTART_VERSION, format!("nuncio.{version}"));
}

fn refusal(setting: &Setting) -> String {
    setting.meet().err().expect("it is refused")
}

#[test]
fn a_child_that_comes_too_early_hears_so_in_envoys_words() {
    let setting = Setting::saying(0);
    assert!(setting.parent.is_initializing());
    assert_eq!(
        refusal(&setting),
        "previous envoy process is still initializing"
    );
    setting.parent.initialized();
    let before = setting.meet().expect("it is taken on");
    assert_eq!((before.first_start_s, before.generation), (1_000, 5));
}

#[test]
fn an_epoch_that_does_not_follow_is_refused() {
    let setting = Setting::saying(7);
    setting.parent.initialized();
    assert_eq!(
        refusal(&setting),
        "hot restart: epoch 1 does not follow epoch 7"
    );
}

#[test]
fn a_parent_has_one_child_at_a_time() {
    let mut setting = Setting::ready();
    let first = setting.meet().expect("it is taken on");
    assert_eq!(
        refusal(&setting),
        "hot restart: another process takes over already"
    );
    drop(first);
    let Ask { wish, granted } = setting.asks.blocking_recv().expect("it has noticed");
    assert!(matches!(wish, Wish::ChildLost));
    granted.send(Vec::new()).expect("it waits for that");
    // The conversation's thread is about to end now.
    let next = std::iter::repeat_with(|| setting.meet()).take(1_000_000);
    assert!(next.into_iter().any(|next| next.is_ok()));
}

#[test]
fn more_sockets_than_fit_into_a_message_come_over_each_once() {
    const SOCKETS: usize = 70;
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let (sockets, _) = bind(&any.into(), SOCKETS, &ListenOptions::default()).expect("a free port");
    let address = sockets[0].local_addr().expect("it is bound");
    let there = address.clone();
    let mut setting = Setting::ready();
    let (_, none) = unbounded_channel();
    let asks = std::mem::replace(&mut setting.asks, none);
    let main = main_thread(asks, move |wish| {
        let Wish::PassSockets(wanted, false) = wish else {
            return Vec::new();
        };
        // Workers that share their sockets have copies of them.
        let copies = sockets.iter().chain(&sockets).filter(|_| wanted == there);
        copies
            .map(|socket| socket.try_clone().expect("there is room").into())
            .collect()
    });
    let before = setting.meet().expect("it is taken on");
    let port = address.port().expect("it has one");
    let elsewhere = SocketAddr::from(([127, 0, 0, 2], port)).into();
    assert!(
        before
            .sockets(&elsewhere, false)
            .expect("it answers")
            .is_empty()
    );
    let taken = before.sockets(&address, false).expect("it answers");
    assert_eq!(taken.len(), SOCKETS);
    drop(before);
    main.join().expect("it does not panic");
}

#[test]
fn a_socket_that_does_not_listen_where_it_should_is_refused() {
    let mut setting = Setting::ready();
    let (_, none) = unbounded_channel();
    let asks = std::mem::replace(&mut setting.asks, none);
    let main = main_thread(asks, |_| {
        let other = TcpListener::bind("127.0.0.1:0").expect("a free port");
        vec![other.into()]
    });
    let before = setting.meet().expect("it is taken on");
    let error = before.sockets(&SocketAddr::from(([127, 0, 0, 1], 1)).into(), false);
    assert_eq!(
        error.expect_err("it listens elsewhere"),
        "hot restart: the parent cannot hand over: it sent a message that cannot be read"
    );
    drop(before);
    main.join().expect("it does not panic");
}

#[test]
fn what_the_parent_has_counted_comes_over() {
    let mut setting = Setting::ready();
    let scope = setting.stats.scope("listener.l");
    let counted = scope.worker_group::<ListenerStats>();
    counted.downstream_cx_total.add(3);
    let (_, none) = unbounded_channel();
    let asks = std::mem::replace(&mut setting.asks, none);
    let main = main_thread(asks, |_| Vec::new());
    let before = setting.meet().expect("it is taken on");
    let own = StatsStore::default();
    let mut merger = Merger::default();
    before.merge_stats(&mut merger, &own).expect("it answers");
    let expected = [("listener.l.downstream_cx_total".into(), 3)];
    assert_eq!(own.pending_imports(), expected);
    drop(before);
    main.join().expect("it does not panic");
}

#[test]
fn a_parent_whose_main_thread_has_ended_hangs_up() {
    for asked in [Predecessor::shut_down_admin, Predecessor::drain] {
        let mut setting = Setting::ready();
        setting.asks.close();
        let before = setting.meet().expect("it is taken on");
        let error = asked(&before).expect_err("nobody grants it");
        assert!(error.ends_with("it closed the connection"), "{error}");
    }
}

/// A parent that takes a child on, answers its next wish as told, if at all, and hangs up; it still listens.
fn brief_parent(answer: Option<Message>) -> (Predecessor, UnixListener) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Relaxed);
    let socket_path = format!("@nuncio_brief_{}_{number}", std::process::id());
    let name = Name::of(&socket_path, 0, 0).expect("it is short");
    let listener = name.listen(0).expect("it is free");
    let accepting = listener.try_clone().expect("there is room");
    std::thread::spawn(move || {
        let (stream, _) = accepting.accept().expect("somebody connects");
        let wire = Wire::new(stream).expect("the same user");
        wire.receive().expect("it greets");
        let welcome = Message::Welcome {
            first_start_s: 0,
            generation: 1,
        };
        wire.send(&welcome, &[]).expect("it waits");
        drop(accepting);
        if let Some(answer) = answer {
            wire.receive().expect("it wants something");
            wire.send(&answer, &[]).expect("it waits");
        }
    });
    let Ok(before) = Predecessor::meet(&socket_path, 0, 1) else {
        panic!("it is taken on");
    };
    (before, listener)
}

#[test]
fn a_parent_that_is_gone_has_nothing_to_hand_over() {
    let (before, listener) = brief_parent(None);
    drop(listener);
    // The other thread's copy goes before the conversation does.
    let sockets = before.sockets(&SocketAddr::from(([127, 0, 0, 1], 1)).into(), false);
    assert!(sockets.expect("its address is free").is_empty());
    before.shut_down_admin().expect("its admin is gone too");
}

#[test]
fn a_parent_that_knows_no_paths_has_no_sockets_there() {
    let refused = || {
        let why = "hot restart: no address to pass sockets of".to_owned();
        Some(Message::Refused { why })
    };
    let (before, _listener) = brief_parent(refused());
    let path = PipeAddress::new("/tmp/a", 0).into();
    let sockets = before.sockets(&path, false);
    assert!(sockets.expect("it goes on").is_empty());
    let (before, _listener) = brief_parent(refused());
    let ip = SocketAddr::from(([127, 0, 0, 1], 1)).into();
    before.sockets(&ip, false).expect_err("it knows addresses");
}

#[test]
fn a_parent_that_hangs_up_and_lives_on_is_an_error() {
    let (before, _listener) = brief_parent(None);
    let expected = "hot restart: the parent cannot hand over: it closed the connection";
    let sockets = before.sockets(&SocketAddr::from(([127, 0, 0, 1], 1)).into(), false);
    assert_eq!(sockets.expect_err("it still accepts there"), expected);
    let (before, _listener) = brief_parent(None);
    let told = before.shut_down_admin();
    assert_eq!(told.expect_err("its admin still listens"), expected);
}

#[test]
fn sockets_that_do_not_come_though_they_are_there_are_an_error() {
    let (before, _listener) = brief_parent(Some(Message::Sockets { total: 2 }));
    let sockets = before.sockets(&SocketAddr::from(([127, 0, 0, 1], 1)).into(), false);
    let error = sockets.expect_err("their queues would be lost");
    assert!(error.contains("cannot be read"), "{error}");
}
