//! The table of host functions: their names, the types of their arguments, and what they do. `i` stands for a number of
//! 32 bits, `l` for one of 64.

use std::sync::OnceLock;

use wasmi::{Error, FuncType, Linker, Val, ValType};

use super::guest::Guest;
use super::{
    Host, buffers, calls, foreign, general, grpc, headers, metrics, properties, shared, ticks, wasi,
};
use crate::engine::{Abi, engine};
use crate::status::{Done, code};

/// The arguments of a call.
pub(crate) struct Arguments<'a>(&'a [Val]);

impl Arguments<'_> {
    /// A number of 32 bits.
    pub(crate) fn u32(&self, at: usize) -> u32 {
        let value = self.0.get(at).and_then(Val::i32);
        value.unwrap_or_default().cast_unsigned()
    }

    /// A number of 64 bits.
    pub(crate) fn u64(&self, at: usize) -> u64 {
        let value = self.0.get(at).and_then(Val::i64);
        value.unwrap_or_default().cast_unsigned()
    }
}

/// What a function of the ABI does.
pub(crate) type Proxy = fn(&mut Guest<'_>, &Arguments<'_>) -> Done;
/// What a function of WASI does; the number of the error if it fails.
pub(crate) type Wasi = fn(&mut Guest<'_>, &Arguments<'_>) -> Result<(), u32>;

#[derive(Clone, Copy)]
enum Does {
    Proxy(Proxy),
    Wasi(Wasi),
}

/// What each call of a host function costs in fuel, besides what the bytes cost that it reads and writes: about what it
/// takes in time, so that a loop of calls ends as one of instructions does.
const FUEL_PER_CALL: u64 = 1000;

/// A function, from which version of the ABI on, up to which, and whether it may be called while a VM starts.
struct Entry {
    name: &'static str,
    types: &'static str,
    does: Does,
    versions: (Abi, Abi),
    at_start: bool,
}

const fn proxy(name: &'static str, types: &'static str, does: Proxy) -> Entry {
    Entry {
        name,
        types,
        does: Does::Proxy(does),
        versions: (Abi::V0_1_0, Abi::V0_2_1),
        at_start: false,
    }
}

impl Entry {
    const fn of(mut self, first: Abi, last: Abi) -> Self {
        self.versions = (first, last);
        self
    }

    const fn at_start(mut self) -> Self {
        self.at_start = true;
        self
    }
}

static PROXY: &[Entry] = &[
    proxy("proxy_log", "iii", general::log).at_start(),
    proxy("proxy_get_log_level", "i", general::get_log_level).of(Abi::V0_2_1, Abi::V0_2_1),
    proxy("proxy_get_status", "iii", general::get_status),
    proxy("proxy_get_configuration", "ii", general::get_configuration).of(Abi::V0_1_0, Abi::V0_1_0),
    proxy("proxy_set_tick_period_milliseconds", "i", ticks::set_period),
    proxy(
        "proxy_get_current_time_nanoseconds",
        "i",
        general::get_current_time,
    ),
    proxy(
        "proxy_set_effective_context",
        "i",
        general::set_effective_context,
    ),
    proxy("proxy_done", "", general::done),
    proxy(
        "proxy_send_local_response",
        "iiiiiiii",
        general::send_local_response,
    ),
    proxy("proxy_continue_request", "", general::continue_request).of(Abi::V0_1_0, Abi::V0_1_0),
    proxy("proxy_continue_response", "", general::continue_response).of(Abi::V0_1_0, Abi::V0_1_0),
    proxy("proxy_clear_route_cache", "", general::clear_route_cache).of(Abi::V0_1_0, Abi::V0_1_0),
    proxy("proxy_continue_stream", "i", general::continue_stream).of(Abi::V0_2_0, Abi::V0_2_1),
    proxy("proxy_close_stream", "i", general::close_stream).of(Abi::V0_2_0, Abi::V0_2_1),
    proxy("proxy_get_property", "iiii", properties::get),
    proxy("proxy_set_property", "iiii", properties::set),
    proxy("proxy_get_header_map_value", "iiiii", headers::get),
    proxy("proxy_add_header_map_value", "iiiii", headers::add),
    proxy("proxy_replace_header_map_value", "iiiii", headers::replace),
    proxy("proxy_remove_header_map_value", "iii", headers::remove),
    proxy("proxy_get_header_map_pairs", "iii", headers::get_pairs),
    proxy("proxy_set_header_map_pairs", "iii", headers::set_pairs),
    proxy("proxy_get_header_map_size", "ii", headers::size),
    proxy("proxy_get_buffer_status", "iii", buffers::status),
    proxy("proxy_get_buffer_bytes", "iiiii", buffers::get),
    proxy("proxy_set_buffer_bytes", "iiiii", buffers::set),
    proxy("proxy_http_call", "iiiiiiiiii", calls::http_call),
    proxy("proxy_grpc_call", "iiiiiiiiiiii", grpc::call),
    proxy("proxy_grpc_stream", "iiiiiiiii", grpc::stream),
    proxy("proxy_grpc_send", "iiii", grpc::send),
    proxy("proxy_grpc_close", "i", grpc::close),
    proxy("proxy_grpc_cancel", "i", grpc::cancel),
    proxy("proxy_define_metric", "iiii", metrics::define),
    proxy("proxy_increment_metric", "il", metrics::increment),
    proxy("proxy_record_metric", "il", metrics::record),
    proxy("proxy_get_metric", "ii", metrics::get),
    proxy("proxy_get_shared_data", "iiiii", shared::get),
    proxy("proxy_set_shared_data", "iiiii", shared::set),
    proxy("proxy_register_shared_queue", "iii", shared::register),
    proxy("proxy_resolve_shared_queue", "iiiii", shared::resolve),
    proxy("proxy_dequeue_shared_queue", "iii", shared::dequeue),
    proxy("proxy_enqueue_shared_queue", "iii", shared::enqueue),
    proxy("proxy_call_foreign_function", "iiiiii", foreign::call),
];

/// The modules that WASI goes by.
const WASI_MODULES: [&str; 2] = ["wasi_unstable", "wasi_snapshot_preview1"];

/// Those of WASI that may not be called while a VM starts.
const WASI_LATER: [&str; 6] = [
    "fd_read",
    "fd_seek",
    "fd_close",
    "path_open",
    "sched_yield",
    "proc_exit",
];

/// The host functions for a version of the ABI; capabilities are asked for at each call.
pub(crate) fn linker(abi: Abi) -> &'static Linker<Host> {
    static LINKERS: [OnceLock<Linker<Host>>; 3] = [const { OnceLock::new() }; 3];
    let place = match abi {
        Abi::V0_1_0 => &LINKERS[0],
        Abi::V0_2_0 => &LINKERS[1],
        Abi::V0_2_1 => &LINKERS[2],
    };
    place.get_or_init(|| {
        let mut linker = Linker::new(engine());
        for entry in PROXY {
            if (entry.versions.0..=entry.versions.1).contains(&abi) {
                add(&mut linker, "env", entry);
            }
        }
        for (name, types, does) in wasi::FUNCTIONS {
            let entry = Entry {
                name,
                types,
                does: Does::Wasi(*does),
                versions: (Abi::V0_1_0, Abi::V0_2_1),
                at_start: !WASI_LATER.contains(name),
            };
            for module in WASI_MODULES {
                add(&mut linker, module, &entry);
            }
        }
        add_free(&mut linker);
        linker
    })
}

/// What compilers put into modules.
fn add_free(linker: &mut Linker<Host>) {
    let equal = |left: u32, right: u32| u32::from(left == right);
    let _a_name_of_its_own = linker.func_wrap("env", "pthread_equal", equal);
    let _a_name_of_its_own =
        linker.func_wrap("env", "emscripten_notify_memory_growth", |_memory: u32| {});
}

fn add(linker: &mut Linker<Host>, module: &str, entry: &Entry) {
    let types = entry.types.bytes().map(|letter| match letter {
        b'l' => ValType::I64,
        _ => ValType::I32,
    });
    let returns = (entry.name != "proc_exit").then_some(ValType::I32);
    let kind = FuncType::new(types, returns);
    let (name, does, at_start) = (entry.name, entry.does, entry.at_start);
    let run = move |caller: wasmi::Caller<'_, Host>, values: &[Val], results: &mut [Val]| {
        let mut guest = Guest { caller };
        if guest.host().is_starting && !at_start {
            return Err(Error::new("restricted_callback"));
        }
        let arguments = Arguments(values);
        let number = match does {
            _ if guest.charge(FUEL_PER_CALL).is_err() => 0,
            _ if !guest.host().base.allows(name) => restricted(name, does),
            Does::Proxy(does) => code(does(&mut guest, &arguments)),
            Does::Wasi(does) => does(&mut guest, &arguments).err().unwrap_or(0),
        };
        if let Some(why) = guest.host().halts.take() {
            return Err(Error::new(why));
        }
        if let Some(result) = results.first_mut() {
            *result = Val::I32(number.cast_signed());
        }
        Ok(())
    };
    let _a_name_of_its_own = linker.func_new(module, name, kind, run);
}

/// A function that the configuration does not allow.
fn restricted(name: &str, does: Does) -> u32 {
    let (kind, number) = match does {
        Does::Proxy(_) => ("proxy-wasm", 10),
        Does::Wasi(_) => ("WASI", 76),
    };
    let text = format!("Attempted call to restricted {kind} capability: {name}");
    general::complain(&text);
    number
}
