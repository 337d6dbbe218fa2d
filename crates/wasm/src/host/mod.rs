//! What a VM's host functions work on: the contexts of the VM, the stream whose turn it is, and what plugins have made.

pub(crate) mod buffers;
pub(crate) mod calls;
pub(crate) mod foreign;
pub(crate) mod general;
pub(crate) mod grpc;
pub(crate) mod guest;
pub(crate) mod headers;
pub(crate) mod link;
pub(crate) mod metrics;
pub(crate) mod properties;
pub(crate) mod shared;
pub(crate) mod ticks;
pub(crate) mod wasi;

use std::collections::HashMap;
use std::rc::Weak;
use std::sync::Arc;

use nuncio_contract::calls::Calls;
use nuncio_contract::cel::PropertyExpression;
use nuncio_contract::headers::HeaderMap;
use nuncio_contract::local_node::LocalNode;
use wasmi::{Memory, StoreLimits, TypedFunc};

use self::metrics::Metrics;
use crate::base::Base;
use crate::live::{Answer, Live, Outcome, Outside, Sight, Waiting};
use crate::plugin::Plugin;

/// The data of a VM's store.
pub(crate) struct Host {
    pub(crate) base: Arc<Base>,
    pub(crate) limits: StoreLimits,
    pub(crate) memory: Option<Memory>,
    pub(crate) malloc: Option<TypedFunc<u32, u32>>,
    /// The plugin is asked for memory.
    pub(crate) in_malloc: bool,
    /// Why the call into the plugin fails when the host function is over.
    pub(crate) halts: Option<String>,
    pub(crate) contexts: HashMap<u32, Contextual>,
    pub(crate) last_id: u32,
    /// The context that was called, and the one that it works for, if that is another.
    pub(crate) current: u32,
    pub(crate) effective: u32,
    /// What comes next is stopped, whatever the plugin returns.
    pub(crate) stops: bool,
    /// The VM is being started, when little may be called.
    pub(crate) is_starting: bool,
    /// The plugin whose configuration is at hand.
    pub(crate) configured: Option<Arc<Plugin>>,
    pub(crate) live: Live,
    /// The answer at hand, to a call over HTTP or gRPC.
    pub(crate) answer: Option<Box<Answer>>,
    pub(crate) grpc_message: Option<Vec<u8>>,
    pub(crate) grpc_metadata: [Option<Box<HeaderMap>>; 2],
    pub(crate) status: (u32, Vec<u8>),
    pub(crate) metrics: Metrics,
    /// The last tokens of calls over HTTP, of gRPC, of streams of gRPC.
    pub(crate) tokens: [u32; 3],
    pub(crate) under_way: HashMap<u32, grpc::Under>,
    /// Calls over HTTP that are not answered yet.
    pub(crate) calls_under_way: HashMap<u32, grpc::Under>,
    pub(crate) calls: Option<Calls>,
    /// Whether the plugin is only tried, so that calls and timers lead nowhere.
    pub(crate) is_trial: bool,
    pub(crate) node: Option<Arc<LocalNode>>,
    pub(crate) expressions: HashMap<u32, PropertyExpression>,
    pub(crate) last_expression: u32,
    pub(crate) vm: Weak<dyn Outside>,
}

/// A context: of the VM, of a plugin, or of a stream.
#[derive(Default)]
pub(crate) struct Contextual {
    /// The plugin's context; its own id for that.
    pub(crate) root: u32,
    pub(crate) plugin: Option<Arc<Plugin>>,
    pub(crate) sight: Sight,
    pub(crate) outcome: Outcome,
    pub(crate) waiting: Waiting,
    pub(crate) ticks: ticks::Ticks,
    /// How set properties were declared.
    pub(crate) declared: HashMap<Vec<u8>, properties::Declared>,
    /// Whether the plugin knows of it.
    pub(crate) is_created: bool,
}

impl Host {
    /// The id of the context that is worked for.
    pub(crate) fn at_work(&self) -> u32 {
        match self.contexts.contains_key(&self.effective) && self.effective != 0 {
            true => self.effective,
            false => self.current,
        }
    }

    /// The context that is worked for.
    pub(crate) fn context(&mut self) -> &mut Contextual {
        let id = self.at_work();
        self.contexts.entry(id).or_default()
    }

    /// The id of its plugin's context.
    pub(crate) fn root_id(&mut self) -> u32 {
        self.context().root
    }

    /// What the context that is worked for sees, if the stream is at hand.
    pub(crate) fn sight(&mut self) -> Sight {
        match self.live.context == self.at_work() {
            true => self.context().sight,
            false => Sight::default(),
        }
    }

    /// Ids of their own.
    pub(crate) fn new_id(&mut self) -> u32 {
        loop {
            self.last_id = self.last_id.wrapping_add(1).max(1);
            if !self.contexts.contains_key(&self.last_id) {
                return self.last_id;
            }
        }
    }

    /// What stands before a context's words in the log.
    pub(crate) fn log_prefix(&mut self) -> String {
        let id = self.at_work();
        let vm_id = self.base.vm_id.as_str().to_owned();
        let context = self.context();
        let is_root = context.root == id;
        let plugin = context.plugin.clone();
        let mut prefix = String::new();
        let mut add = |text: &str| {
            if !text.is_empty() {
                prefix.push(' ');
                prefix.push_str(text);
            }
        };
        if let Some(plugin) = plugin {
            if !is_root {
                add(&plugin.name);
            }
            add(&plugin.root_id);
            add(&vm_id);
        }
        prefix
    }
}
