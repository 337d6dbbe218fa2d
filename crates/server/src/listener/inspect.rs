//! What listener filters find out about a connection before it has a filter chain.
//!
//! The filters see the bytes one after another, each from the first one that is left; what they leave stays in the
//! socket. Defaults: 15 s for all of them, after which the connection is closed, or goes on with what is known. A
//! client that ends meanwhile is gone.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use nuncio_config::typed::{Ctx, Refused};
use nuncio_contract::listener_filter::{
    Inspected, ListenerContext, ListenerFilterConfig, ListenerFilterFactory, ListenerStatus,
};
use nuncio_contract::registry::Extensions;
use nuncio_contract::stats::Scope;
use nuncio_contract::stream_info::{Address, ConnectionInfo};
use nuncio_net::peek::{Peeked, consume, original_destination, poll_peek, rearm};
use tokio::net::TcpStream;

use super::accept::or_drained;
use super::discovered::{DiscoveredListenerFilter, ListenerFilterOfNow};
use super::gate::Gate;
use super::selection::Criteria;
use crate::config::{Listener, ListenerFilterType, ListenerPredicate, ListenerRule};
use crate::live_connections;

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(15);
/// What is looked at first; doubled as long as a filter wants more.
const FIRST_BYTES: usize = 2048;

/// The listener filters of a listener, compiled once and shared by the workers.
#[derive(Default)]
pub(crate) struct Inspection {
    filters: Vec<Configured>,
    /// Those whose configurations come from elsewhere.
    pub(crate) discovered: Vec<Arc<DiscoveredListenerFilter>>,
    /// None: they may take as long as they like.
    timeout: Option<Duration>,
    /// Whether a connection goes on when the time is over.
    goes_on: bool,
    /// Whether the listener of the address that a connection was going to takes it over.
    hands_over: bool,
}

struct Configured {
    config: Arc<dyn ListenerFilterConfig>,
    disabled: Option<ListenerPredicate>,
}

/// A listener filter on one thread.
pub(super) struct FilterOnThread {
    factory: Box<dyn ListenerFilterFactory>,
    disabled: Option<ListenerPredicate>,
}

/// How the look at a connection ends, if not with a filter chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failed {
    Closed,
    Remote,
    Broken,
}

impl Inspection {
    pub(super) fn compile(
        listener: &Listener,
        scope: &Scope,
        extensions: &Extensions,
        ctx: &mut Ctx,
    ) -> Result<Self, Refused> {
        let mut discovered = Vec::new();
        let filters = listener.listener_filters.iter().map(|filter| {
            let any = match &filter.config_type {
                Some(ListenerFilterType::TypedConfig(any)) => any,
                Some(ListenerFilterType::ConfigDiscovery(source)) => {
                    let (name, scope) = (&filter.name, scope.clone());
                    let found =
                        DiscoveredListenerFilter::compile(name, source, scope, extensions, ctx)?;
                    let found = Arc::new(found);
                    discovered.push(Arc::clone(&found));
                    return Ok(Configured {
                        config: Arc::new(ListenerFilterOfNow(found)),
                        disabled: filter.filter_disabled.clone(),
                    });
                }
                None => {
                    let name = &filter.name;
                    let what = format!("listener filter `{}` without `typed_config`", name.value);
                    return Err(ctx.unsupported_here(name.span, what));
                }
            };
            let Some(room) = extensions.listener_filter(any.type_name()) else {
                let what = format!("the listener filter `{}`", any.type_name());
                return Err(ctx.unsupported_here(any.span, what));
            };
            Ok(Configured {
                config: (room.parse)(any, ctx)?,
                disabled: filter.filter_disabled.clone(),
            })
        });
        let filters: Vec<_> = filters.collect();
        let timeout = listener.listener_filters_timeout.unwrap_or(DEFAULT_TIMEOUT);
        Ok(Inspection {
            filters: filters.into_iter().collect::<Result<_, _>>()?,
            discovered,
            timeout: (!timeout.is_zero()).then_some(timeout),
            goes_on: listener.continue_on_listener_filters_timeout,
            hands_over: listener.use_original_dst == Some(true),
        })
    }

    /// Whether the listener of the address that a connection was going to takes it over.
    pub(super) fn hands_over(&self) -> bool {
        self.hands_over
    }

    /// The filters on the calling thread.
    pub(super) fn on_thread(&self, root: &Scope) -> Vec<FilterOnThread> {
        let each = self.filters.iter().map(|filter| FilterOnThread {
            factory: filter.config.for_worker(root),
            disabled: filter.disabled.clone(),
        });
        each.collect()
    }
}

/// Has the listener filters look at a connection; none if it is over, which is counted.
pub(super) async fn inspect(
    gate: &Gate,
    stream: TcpStream,
    info: &mut ConnectionInfo,
) -> Option<(TcpStream, Inspected)> {
    let stats = &gate.stats;
    let inspection = &gate.listener.inspection;
    let mut inspected = Inspected::default();
    stats.downstream_pre_cx_active.inc();
    live_connections::add(gate.watched_limit.is_some());
    let id = info.id;
    let run = run(gate, &stream, info, &mut inspected);
    let outcome = match inspection.timeout {
        None => or_drained(gate, id, run).await.map(Some),
        Some(limit) => or_drained(gate, id, tokio::time::timeout(limit, run))
            .await
            .map(Result::ok),
    };
    stats.downstream_pre_cx_active.dec();
    live_connections::remove(gate.watched_limit.is_some());
    match outcome? {
        Some(Ok(())) => Some((stream, inspected)),
        Some(Err(Failed::Closed)) => None,
        Some(Err(Failed::Remote)) => {
            stats.downstream_listener_filter_remote_close.inc();
            None
        }
        Some(Err(Failed::Broken)) => {
            stats.downstream_listener_filter_error.inc();
            None
        }
        None => {
            stats.downstream_pre_cx_timeout.inc();
            let stream = inspection.goes_on.then(|| rearm(stream).ok()).flatten()?;
            Some((stream, inspected))
        }
    }
}

async fn run(
    gate: &Gate,
    stream: &TcpStream,
    info: &mut ConnectionInfo,
    inspected: &mut Inspected,
) -> Result<(), Failed> {
    let destination = || original_destination(stream);
    let mut bytes = Vec::new();
    for FilterOnThread { factory, disabled } in &gate.listener_filters {
        if disabled.as_ref().is_some_and(|it| matches(it, info)) {
            continue;
        }
        let mut filter = factory.create();
        let most = factory.most_bytes();
        let mut context = ListenerContext {
            connection: info,
            inspected,
            original_destination: &destination,
            services: &*gate.worker,
        };
        let mut status = filter.on_accept(&mut context);
        let mut seen = 0;
        while status == ListenerStatus::More {
            if seen >= most {
                return Err(Failed::Closed);
            }
            bytes.clear();
            bytes.reserve(
                seen.saturating_mul(2)
                    .clamp(FIRST_BYTES, most.max(FIRST_BYTES)),
            );
            match poll_fn(|cx| poll_peek(stream, cx, &mut bytes, seen)).await {
                Ok(Peeked::Bytes(count)) => {
                    seen = count;
                    let data = bytes.get(..most).unwrap_or(&bytes);
                    status = filter.on_data(&mut context, data);
                }
                Ok(Peeked::Ended) => return Err(Failed::Remote),
                Err(_) => return Err(Failed::Broken),
            }
        }
        match status {
            ListenerStatus::Continue(0) => {}
            ListenerStatus::Continue(count) => {
                consume(stream, count).map_err(|_| Failed::Broken)?;
            }
            ListenerStatus::Close | ListenerStatus::More => return Err(Failed::Closed),
        }
    }
    Ok(())
}

/// The listener that takes a connection over, as that was going there and not here.
pub(super) fn successor(
    gate: &Rc<Gate>,
    stream: &TcpStream,
    info: &mut ConnectionInfo,
) -> Option<Rc<Gate>> {
    let directory = gate.directory.as_ref()?;
    if info.local_address == info.direct_local_address {
        let destination = original_destination(stream)?;
        info.local_address = Some(destination.into());
    }
    let found = directory.find(ip(info.local_address.as_ref())?)?;
    (!Rc::ptr_eq(&found, gate)).then_some(found)
}

/// Whether a listener filter leaves a connection alone.
fn matches(predicate: &ListenerPredicate, info: &ConnectionInfo) -> bool {
    match &predicate.rule {
        ListenerRule::Any(set) => set.rules.iter().any(|rule| matches(rule, info)),
        ListenerRule::All(set) => set.rules.iter().all(|rule| matches(rule, info)),
        ListenerRule::Not(rule) => !matches(rule, info),
        ListenerRule::Always(always) => *always,
        ListenerRule::Ports(range) => {
            let port = info.local_address.as_ref().and_then(Address::port);
            port.is_some_and(|port| (range.start..range.end).contains(&i32::from(port)))
        }
    }
}

/// What a filter chain is chosen by.
pub(super) fn criteria<'a>(info: &'a ConnectionInfo, inspected: &'a Inspected) -> Criteria<'a> {
    Criteria {
        local: ip(info.local_address.as_ref()),
        remote: ip(info.remote_address.as_ref()),
        direct_remote: ip(info.direct_remote_address.as_ref()),
        server_name: &info.requested_server_name,
        transport_protocol: inspected.transport_protocol,
        application_protocols: &inspected.application_protocols,
    }
}

fn ip(address: Option<&Address>) -> Option<SocketAddr> {
    match address {
        Some(Address::Ip(address)) => Some(*address),
        _ => None,
    }
}
