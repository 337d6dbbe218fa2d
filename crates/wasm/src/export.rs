//! What the host calls in a plugin, with the types that it must have.

use wasmi::{Func, FuncType, ValType};

use crate::engine::Abi;

macro_rules! exports {
    ($($export:ident $name:literal $arguments:literal $returns:literal,)+) => {
        /// A function of a plugin.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Export {
            $(#[doc = $name] $export,)+
        }

        /// Their names, how many arguments they have, and whether they return something.
        const ALL: &[(Export, &str, usize, bool)] = &[
            $((Export::$export, $name, $arguments, $returns),)+
        ];
    };
}

exports! {
    ContextCreate "proxy_on_context_create" 2 false,
    VmStart "proxy_on_vm_start" 2 true,
    Configure "proxy_on_configure" 2 true,
    Tick "proxy_on_tick" 1 false,
    NewConnection "proxy_on_new_connection" 1 true,
    DownstreamData "proxy_on_downstream_data" 3 true,
    UpstreamData "proxy_on_upstream_data" 3 true,
    DownstreamClose "proxy_on_downstream_connection_close" 2 false,
    UpstreamClose "proxy_on_upstream_connection_close" 2 false,
    RequestHeaders "proxy_on_request_headers" 3 true,
    RequestBody "proxy_on_request_body" 3 true,
    RequestTrailers "proxy_on_request_trailers" 2 true,
    ResponseHeaders "proxy_on_response_headers" 3 true,
    ResponseBody "proxy_on_response_body" 3 true,
    ResponseTrailers "proxy_on_response_trailers" 2 true,
    HttpCallResponse "proxy_on_http_call_response" 5 false,
    GrpcReceive "proxy_on_grpc_receive" 3 false,
    GrpcClose "proxy_on_grpc_close" 3 false,
    GrpcInitialMetadata "proxy_on_grpc_receive_initial_metadata" 3 false,
    GrpcTrailingMetadata "proxy_on_grpc_receive_trailing_metadata" 3 false,
    QueueReady "proxy_on_queue_ready" 2 false,
    Done "proxy_on_done" 1 true,
    Log "proxy_on_log" 1 false,
    Delete "proxy_on_delete" 1 false,
}

impl Export {
    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        ALL.get(self as usize).map_or("", |(_, name, ..)| name)
    }
}

/// The functions that a plugin has.
pub(crate) struct Exports(Vec<Option<Func>>);

impl Exports {
    /// Those that `find` knows and the configuration allows.
    ///
    /// # Errors
    /// One has other types than it must have.
    pub(crate) fn new(
        abi: Abi,
        mut find: impl FnMut(&str) -> Option<(Func, FuncType)>,
        allows: impl Fn(&str) -> bool,
    ) -> Result<Self, String> {
        let mut all = Vec::with_capacity(ALL.len());
        for (export, name, arguments, returns) in ALL {
            let is_head = matches!(export, Export::RequestHeaders | Export::ResponseHeaders);
            let arguments = match is_head && abi == Abi::V0_1_0 {
                true => arguments - 1,
                false => *arguments,
            };
            let found = match allows(name) {
                true => find(name),
                false => None,
            };
            if let Some((_, kind)) = &found {
                let params = vec![ValType::I32; arguments];
                let results: &[ValType] = if *returns { &[ValType::I32] } else { &[] };
                if kind.params() != params || kind.results() != results {
                    return Err(format!("Bad function signature for: {name}"));
                }
            }
            all.push(found.map(|(function, _)| function));
        }
        Ok(Exports(all))
    }

    pub(crate) fn get(&self, export: Export) -> Option<Func> {
        self.0.get(export as usize).copied().flatten()
    }
}
