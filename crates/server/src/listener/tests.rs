//! Accepting, over sockets of the loopback.

use std::cell::RefCell;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::sync::Arc;

use nuncio_codec::http1::Http1Settings;
use nuncio_contract::buffer::Buffer;
use nuncio_contract::clock::SystemClock;
use nuncio_contract::headers::HeaderMap;
use nuncio_contract::services::LocalFuture;
use nuncio_contract::stats::StatsStore;
use nuncio_http::connection_manager::{ConnectionManagerConfig, StatScopes};
use nuncio_http::drain::DrainPolicy;
use nuncio_http::route::RouteTable;
use nuncio_http::service::{Answer, Service};
use nuncio_http::worker::Worker;
use nuncio_net::bound::BoundSocket;
use nuncio_net::listener::{ListenOptions, bind_one};
use nuncio_upstream::ClusterManager;

use super::accept::accept;
use super::gate::Gate;
use super::{
    CompiledChain, CompiledListener, ConnectionLimits, Inspection, OnThread, Routes, Selection,
    SocketEnd,
};

struct Hello;

impl Service for Hello {
    fn call(&self, _request: &HeaderMap, _body: Buffer) -> LocalFuture<Answer> {
        Box::pin(async {
            Answer {
                status: 200,
                headers: Vec::new(),
                details: None,
                body: Box::new(std::iter::once(b"hello".to_vec())),
                is_single_piece: true,
            }
        })
    }
}

fn gate(stats: &StatsStore) -> Gate {
    let manager = ConnectionManagerConfig::for_service("p", Vec::new(), Http1Settings::default());
    let listener = CompiledListener {
        name: "l".to_string(),
        address: SocketAddr::from(([127, 0, 0, 1], 0)).into(),
        is_inbound: false,
        bypasses_overload: true,
        options: ListenOptions::default(),
        scope: stats.scope("listener.l"),
        description: Arc::default(),
        chains: vec![CompiledChain::plain(
            manager,
            StatScopes::new(stats, "p", "l"),
        )],
        selection: Selection::only_one(),
        inspection: Inspection::default(),
        limits: ConnectionLimits::default(),
        root: stats.root(),
        additional: Vec::new(),
        internal: None,
        balance: None,
        ignores_health: false,
        logs: Vec::new(),
        datagrams: None,
        quic: None,
    };
    let clusters = Arc::new(ClusterManager::new(stats.clone()));
    let worker = Worker::new(Rc::new(SystemClock), 1, clusters);
    Gate::new(
        Arc::new(listener),
        &Routes::from([Arc::new(RouteTable::empty())]),
        &OnThread::main(Rc::new(worker)),
        Some(&(Rc::new(Hello) as Rc<dyn Service>)),
        DrainPolicy::default(),
    )
}

#[test]
fn connections_that_wait_are_accepted_before_their_socket_is_closed() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("an event loop can be made");
    let options = ListenOptions::default();
    let socket = bind_one(([127, 0, 0, 1], 0).into(), &options).expect("a free port can be bound");
    let address = socket.local_addr().expect("it is bound");
    let waiting: Vec<_> = (0..20)
        .map(|_| TcpStream::connect(address).expect("the kernel queues it"))
        .collect();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let gate = Rc::new(RefCell::new(Rc::new(gate(&StatsStore::default()))));
        let ended = std::future::ready(SocketEnd::Closed);
        accept(gate, BoundSocket::Connections(socket), ended)
            .await
            .expect("the socket can be used");
        assert!(
            TcpStream::connect(address).is_err(),
            "nobody listens any more"
        );
        let clients = tokio::task::spawn_blocking(|| waiting.into_iter().for_each(is_greeted));
        clients.await.expect("every client was greeted");
    });
}

fn is_greeted(mut client: TcpStream) {
    client
        .write_all(b"GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n")
        .expect("the connection is open");
    let mut answer = String::new();
    client
        .read_to_string(&mut answer)
        .expect("it was not reset");
    assert!(answer.ends_with("hello"), "{answer}");
}
