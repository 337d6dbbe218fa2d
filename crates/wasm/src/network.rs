//! `envoy.filters.network.wasm`: a plugin of WebAssembly sees the bytes of connections, from the client and, where the TCP
//! proxy stands behind it, from the host.
//!
//! Where it differs from Envoy: the plugin cannot change the bytes, nor hold those of the host; what it does not let go on
//! waits until it resumes the connection. Envoy's documentation: network filters, Wasm.

use std::mem::{swap, take};
use std::rc::Rc;
use std::sync::Arc;

use nuncio_config::typed::FromValue;
use nuncio_contract::network_filter::{
    LookingOn, NetworkClose, NetworkContext, NetworkFilter, NetworkFilterConfig,
    NetworkFilterFactory, NetworkResume, NetworkStatus,
};
use nuncio_contract::registry::NetworkFilterRoom;
use nuncio_contract::stats::Scope;

use crate::configure;
use crate::export::Export;
use crate::messages::NetworkWasm;
use crate::slot::Slot;
use crate::turn::{begin_wait, deliver_waiting, end_wait, forget_resume, see, take_outcome, woken};
use crate::vm::Called;
use crate::worker::{Found, Handle, OnThread};

/// The room.
pub static ROOM: NetworkFilterRoom = NetworkFilterRoom {
    name: "envoy.filters.network.wasm",
    message: "envoy.extensions.filters.network.wasm.v3.Wasm",
    parse: |any, ctx| {
        let message: NetworkWasm = any.decode(ctx)?;
        let plugin = configure::compile(message.config.as_ref(), any.span, ctx)?;
        Ok(Arc::new(Config(plugin)))
    },
    support: |table| NetworkWasm::support(table),
};

struct Config(Arc<Slot>);

impl NetworkFilterConfig for Config {
    fn for_worker(&self, root: &Scope) -> Box<dyn NetworkFilterFactory> {
        Box::new(Factory(Handle::new(&self.0, root)))
    }

    fn sees_answers(&self) -> bool {
        true
    }
}

struct Factory(Handle);

impl NetworkFilterFactory for Factory {
    fn wants_data(&self) -> bool {
        true
    }

    fn sees_answers(&self) -> bool {
        true
    }

    fn create(&self) -> Box<dyn NetworkFilter> {
        let (plugin, refuses) = match self.0.find() {
            Found::Runs(plugin) => (Some(plugin), false),
            Found::PassedOver => (None, false),
            Found::Refuses => (None, true),
        };
        Box::new(Connection {
            plugin,
            refuses,
            id: 0,
            host_is_gone: false,
        })
    }
}

/// A connection's.
struct Connection {
    plugin: Option<Rc<OnThread>>,
    refuses: bool,
    id: u32,
    host_is_gone: bool,
}

/// A plugin's turn with a connection, with bytes of a direction: 0 from the client.
fn turn(
    plugin: &OnThread,
    id: u32,
    context: &mut LookingOn<'_>,
    (direction, bytes): (usize, &[u8]),
    call: impl FnOnce() -> Called,
) -> Called {
    let vm = &plugin.vm;
    vm.know_node(|| context.services.local_node());
    see(vm, id, |sight| {
        sight.data = [direction == 0, direction == 1];
    });
    vm.with(|host| {
        host.live.context = id;
        host.live.data_is_fixed = true;
        if let Some(place) = host.live.data.get_mut(direction) {
            place.clear();
            place.extend_from_slice(bytes);
        }
        swap(&mut host.live.info, context.stream_info);
    });
    let called = call();
    vm.with(|host| {
        swap(&mut host.live.info, context.stream_info);
        host.live.context = 0;
        host.live.data = [Vec::new(), Vec::new()];
    });
    called
}

impl Connection {
    fn failed(&self, plugin: &OnThread) -> NetworkStatus {
        match plugin.plugin.fails_open {
            true => NetworkStatus::Continue,
            false => NetworkStatus::Close(NetworkClose::after_flush("")),
        }
    }

    /// What comes next behind a call.
    fn after(&self, plugin: &Rc<OnThread>, called: Called) -> NetworkStatus {
        let outcome = take_outcome(&plugin.vm, self.id);
        if let Some(reason) = outcome.closes {
            return NetworkStatus::Close(NetworkClose::after_flush(reason));
        }
        match called {
            Called::Failed => self.failed(plugin),
            Called::Missing | Called::Returned(0, _) => NetworkStatus::Continue,
            Called::Returned(..) if outcome.resumes[0] => NetworkStatus::Continue,
            Called::Returned(..) => self.wait(plugin),
        }
    }

    fn wait(&self, plugin: &Rc<OnThread>) -> NetworkStatus {
        let (plugin, id) = (Rc::clone(plugin), self.id);
        begin_wait(&plugin.vm, id);
        NetworkStatus::Wait(Box::pin(async move {
            loop {
                woken(&plugin.vm, id).await;
                deliver_waiting(&plugin.vm, id);
                let outcome = take_outcome(&plugin.vm, id);
                let close = match outcome.closes {
                    Some(reason) => Some(reason),
                    None if plugin.vm.has_failed() && !plugin.plugin.fails_open => Some(""),
                    // Nobody will say anything of it any more.
                    None if plugin.vm.with(|host| !host.contexts.contains_key(&id)) => Some(""),
                    None => None,
                };
                if close.is_none() && !outcome.resumes[0] && !plugin.vm.has_failed() {
                    continue;
                }
                end_wait(&plugin.vm, id);
                return match close {
                    Some(reason) => NetworkResume::Close(NetworkClose::after_flush(reason)),
                    None => NetworkResume::Continue,
                };
            }
        }))
    }
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

impl NetworkFilter for Connection {
    fn on_new_connection(&mut self, context: &mut NetworkContext<'_>) -> NetworkStatus {
        if self.refuses {
            return NetworkStatus::Close(NetworkClose::after_flush(""));
        }
        let Some(plugin) = self.plugin.clone() else {
            return NetworkStatus::Continue;
        };
        let id = plugin.vm.new_stream(&plugin.plugin, plugin.root);
        self.id = id;
        let mut looking = context.looking_on();
        let called = turn(&plugin, id, &mut looking, (0, b""), || {
            plugin.vm.create_stream(id);
            plugin.vm.call(id, Export::NewConnection, &[])
        });
        self.after(&plugin, called)
    }

    fn on_data(
        &mut self,
        context: &mut NetworkContext<'_>,
        data: &[u8],
        end_stream: bool,
    ) -> NetworkStatus {
        let Some(plugin) = self.plugin.clone().filter(|_| self.id != 0) else {
            return NetworkStatus::Continue;
        };
        let (id, arguments) = (self.id, [length(data), u32::from(end_stream)]);
        forget_resume(&plugin.vm, id, 0);
        let mut looking = context.looking_on();
        let called = turn(&plugin, id, &mut looking, (0, data), || {
            plugin.vm.call(id, Export::DownstreamData, &arguments)
        });
        self.after(&plugin, called)
    }

    fn on_answer(&mut self, context: &mut LookingOn<'_>, data: &[u8], end_stream: bool) {
        let Some(plugin) = self.plugin.clone().filter(|_| self.id != 0) else {
            return;
        };
        let (id, arguments) = (self.id, [length(data), u32::from(end_stream)]);
        let _only_looked_at = turn(&plugin, id, context, (1, data), || {
            plugin.vm.call(id, Export::UpstreamData, &arguments)
        });
        if end_stream && !self.host_is_gone {
            self.host_is_gone = true;
            plugin.vm.call(id, Export::UpstreamClose, &[0]);
        }
    }

    fn on_end(&mut self, by_client: bool) {
        if let Some(plugin) = self.plugin.take()
            && self.id != 0
        {
            let id = take(&mut self.id);
            let by = if by_client { 2 } else { 1 };
            plugin.vm.call(id, Export::DownstreamClose, &[by]);
            plugin.vm.end_connection(id);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.on_end(false);
    }
}
