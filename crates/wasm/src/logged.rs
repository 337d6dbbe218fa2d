//! A plugin looks at a stream that is over: copies of its parts are put into the VM for the call.

use nuncio_contract::formatter::FormatContext;
use nuncio_contract::headers::{HeaderMap, MapKind};

use crate::export::Export;
use crate::live::{Live, Sight};
use crate::vm::Vm;

/// Lets the context's plugin log a stream.
pub(crate) fn log(vm: &Vm, id: u32, context: &FormatContext<'_>) {
    if !vm.has(Export::Log) {
        return;
    }
    vm.know_node(|| context.services.local_node());
    let before = vm.with(|host| {
        let live = Live {
            context: id,
            info: context.stream_info.snapshot(),
            request: context
                .request_headers
                .cloned()
                .unwrap_or_else(HeaderMap::request),
            response: context
                .response_headers
                .cloned()
                .unwrap_or_else(HeaderMap::response),
            response_trailers: context
                .response_trailers
                .cloned()
                .unwrap_or_else(|| HeaderMap::new(MapKind::ResponseTrailers)),
            ..Live::new()
        };
        let sight = Sight {
            request: context.request_headers.is_some(),
            response: context.response_headers.is_some(),
            response_trailers: context.response_trailers.is_some(),
            is_logged: true,
            ..Sight::default()
        };
        host.live = live;
        let context = host.contexts.entry(id).or_default();
        std::mem::replace(&mut context.sight, sight)
    });
    vm.call(id, Export::Log, &[]);
    vm.with(|host| {
        host.live = Live::new();
        let context = host.contexts.entry(id).or_default();
        context.sight = before;
    });
}
