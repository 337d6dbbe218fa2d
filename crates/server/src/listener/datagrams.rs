//! Listeners of datagrams (`protocol: UDP`): no filter chains, and as listener filter what takes them.
//!
//! Of several filters the first takes all datagrams, as in Envoy. Sockets go from one version of a listener to the
//! next, but not its sessions: those that are left take what their hosts still send to their clients, for as long as
//! connections would be drained. A listener whose sockets are closed ends its sessions with them.

use std::net::UdpSocket;
use std::rc::Rc;
use std::sync::Arc;

use nuncio_config::typed::Refused;
use nuncio_contract::clock::Clock;
use nuncio_contract::services::WorkerServices;
use nuncio_contract::stats::Scope;
use nuncio_contract::stats::groups::ListenerWorkerStats;
use nuncio_http::drain::{Drain, DrainPolicy};
use nuncio_udp::dns_filter;
use nuncio_udp::dns_filter::config::DnsFilterConfig;
use nuncio_udp::listener::{CompiledUdpListener, UdpFilterConfig, UdpListener};
use nuncio_udp::proxy::MESSAGE;
use nuncio_udp::proxy::config::{CompileContext as ProxyContext, UdpProxyConfig};
use tokio::sync::oneshot;

use super::place::{self, Place};
use super::{CompileContext, CompiledListener, Inspection, OnThread, Routes, Selection, SocketEnd};
use crate::config::{Listener, ListenerFilter, ListenerFilterType};

/// Whether a listener takes datagrams.
pub(super) fn is_of_datagrams(listener: &Listener) -> bool {
    listener
        .address
        .as_ref()
        .is_some_and(place::is_of_datagrams)
}

/// Compiles a listener of datagrams; every mistake is in the context.
pub(super) fn compile(
    listener: &Listener,
    context: &mut CompileContext<'_>,
) -> Result<(CompiledListener, Routes), Refused> {
    let place = Place::of(listener, context.ctx);
    let filters = listener.listener_filters.iter();
    let filters: Vec<_> = filters.map(|one| filter(one, context)).collect();
    // Envoy logs nothing of datagrams there; mistakes are told all the same.
    let _no_logs = super::log::compile(listener, context)?;
    let place = place?;
    if !listener.filter_chains.is_empty() || listener.default_filter_chain.is_some() {
        let text = format!(
            "error adding listener '{}': {} filter chain(s) specified for connection-less UDP listener.",
            place.address,
            listener.filter_chains.len()
        );
        context.ctx.error(listener.span(), text);
        return Err(Refused);
    }
    let mut filters = filters.into_iter().collect::<Result<Vec<_>, _>>()?;
    if filters.len() > 1 {
        let text = "the first filter takes all datagrams, those behind it see none";
        context.ctx.warning(listener.span(), text.to_owned());
    }
    let first = (!filters.is_empty()).then(|| filters.swap_remove(0));
    if first.is_none() {
        let text = "UDP listener has no filters. Packets will be dropped.";
        context.ctx.warning(listener.span(), text.to_owned());
    }
    let before = (Selection::only_one(), Inspection::default());
    let config = listener.udp_listener_config.as_ref();
    let around = (context.stats, &context.ctx.runtime);
    let mut this = CompiledListener::new(listener, place, Vec::new(), before, around);
    let datagrams = CompiledUdpListener::compile(config, first, &this.scope, context.ctx)?;
    this.datagrams = Some(Arc::new(datagrams));
    Ok((this, Arc::new([])))
}

fn filter(
    filter: &ListenerFilter,
    context: &mut CompileContext<'_>,
) -> Result<UdpFilterConfig, Refused> {
    let Some(ListenerFilterType::TypedConfig(any)) = &filter.config_type else {
        let name = &filter.name;
        let what = format!("listener filter `{}` without `typed_config`", name.value);
        return Err(context.ctx.unsupported_here(name.span, what));
    };
    if any.type_name() == dns_filter::MESSAGE {
        let compiled = DnsFilterConfig::compile(any, context.stats, context.ctx);
        return compiled.map(|dns| UdpFilterConfig::Dns(Arc::new(dns)));
    }
    if any.type_name() != MESSAGE {
        let what = format!("the UDP listener filter `{}`", any.type_name());
        return Err(context.ctx.unsupported_here(any.span, what));
    }
    let mut reserve = |name: &str| context.clusters.reserve(name);
    let compiled = UdpProxyConfig::compile(
        any,
        &mut ProxyContext {
            ctx: context.ctx,
            access_loggers: context.extensions.access_loggers,
            cluster_id: &mut reserve,
            stats: context.stats,
        },
    );
    compiled.map(|proxy| UdpFilterConfig::Proxy(Arc::new(proxy)))
}

/// A listener of datagrams on one worker.
pub(super) struct DatagramsOnWorker {
    compiled: Arc<CompiledListener>,
    listener: Rc<UdpListener>,
    sockets: Vec<UdpSocket>,
    /// One for each socket.
    ends: Vec<oneshot::Sender<()>>,
    /// Keeps the worker's stats listed, which count connections, of which there are none.
    _worker_scope: Option<Scope>,
}

impl DatagramsOnWorker {
    /// Begins to read the sockets, which `are_new` or were read by another version.
    pub(super) fn begin(
        compiled: Arc<CompiledListener>,
        config: &Arc<CompiledUdpListener>,
        sockets: Vec<UdpSocket>,
        are_new: bool,
        thread: &OnThread,
    ) -> Self {
        let worker = nuncio_udp::Worker {
            services: Rc::clone(&thread.worker) as Rc<dyn WorkerServices>,
            clusters: Rc::clone(&thread.worker.clusters),
            manager: Arc::clone(&thread.worker.manager),
        };
        let listener = UdpListener::new(Arc::clone(config), &worker);
        let worker_scope = compiled.scope.scope(&thread.name);
        if let Some(scope) = &worker_scope {
            scope.register::<ListenerWorkerStats>();
        }
        let mut ends = Vec::new();
        for socket in &sockets {
            let socket = match socket.try_clone() {
                Ok(socket) => socket,
                Err(error) => {
                    let text = format!("listener '{}' lacks a socket: {error}", compiled.name);
                    crate::log::critical("config", &text);
                    continue;
                }
            };
            let (end, ended) = oneshot::channel();
            let served = Rc::clone(&listener).serve(socket, are_new, async {
                let _sent_or_gone = ended.await;
            });
            let name = compiled.name.clone();
            drop(tokio::task::spawn_local(async move {
                if let Err(error) = served.await {
                    let text = format!("listener '{name}' cannot read its socket: {error}");
                    crate::log::critical("config", &text);
                }
            }));
            ends.push(end);
        }
        DatagramsOnWorker {
            compiled,
            listener,
            sockets,
            ends,
            _worker_scope: worker_scope,
        }
    }

    /// Has another version take the sockets over.
    pub(super) fn update(
        self,
        compiled: Arc<CompiledListener>,
        config: &Arc<CompiledUdpListener>,
        thread: &OnThread,
        drain: DrainPolicy,
    ) -> Self {
        let sockets = self.sockets.iter().map(UdpSocket::try_clone);
        let sockets = sockets.filter_map(Result::ok).collect();
        let newer = Self::begin(compiled, config, sockets, false, thread);
        self.stop(SocketEnd::HandedOver, thread, Some(drain));
        newer
    }

    /// Stops to read; sessions that are left stay until `drain` is over, or as long as the process where there is none.
    pub(super) fn stop(self, end: SocketEnd, thread: &OnThread, drain: Option<DrainPolicy>) {
        drop(self.ends);
        let listener = self.listener;
        if end == SocketEnd::Closed {
            listener.end();
            return;
        }
        let over = drain.map(|drain| Drain::new(drain).begin(thread.worker.now()));
        let compiled = self.compiled;
        drop(tokio::task::spawn_local(async move {
            match over {
                Some(over) => tokio::time::sleep_until(over.into()).await,
                None => std::future::pending().await,
            }
            listener.end();
            drop(compiled);
        }));
    }
}
