//! The interpreter and its limits: what a module is to the process, compiled once and shared by all VMs of it.
//!
//! Each call into a plugin has so much fuel, about one unit an instruction; a plugin that runs out of it fails as one
//! that traps does. Memory has a limit a VM, tables and stacks too. Runtime keys change the first two.

use std::sync::OnceLock;

use nuncio_config::runtime::{RuntimeKey, RuntimeKeys};
use wasmi::{Config, Engine, Module, StoreLimits, StoreLimitsBuilder};

/// The largest module that is read, in bytes.
pub(crate) const MAX_CODE_BYTES: usize = 64 << 20;

/// The fuel of a call, unless the runtime says otherwise.
const FUEL_PER_CALL: u64 = 200_000_000;
/// A VM may use so much more as it starts and is configured.
const MORE_AT_START: u64 = 50;
/// The memory of a VM in bytes, unless the runtime says otherwise.
const MAX_MEMORY_BYTES: u64 = 256 << 20;
const MAX_TABLE_ELEMENTS: usize = 1 << 20;
const MAX_RECURSION: usize = 1000;
const MAX_STACK_BYTES: usize = 1 << 20;

/// What may be used, as the runtime says now.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    fuel: RuntimeKey,
    memory: RuntimeKey,
}

impl Limits {
    pub(crate) fn new(keys: &RuntimeKeys) -> Self {
        Limits {
            fuel: keys.key("nuncio.wasm.fuel_per_call"),
            memory: keys.key("nuncio.wasm.max_memory_bytes"),
        }
    }

    /// The fuel of a call.
    pub(crate) fn fuel(&self) -> u64 {
        self.fuel.integer(FUEL_PER_CALL)
    }

    /// The fuel of a call as a VM starts.
    pub(crate) fn fuel_at_start(&self) -> u64 {
        self.fuel().saturating_mul(MORE_AT_START)
    }

    /// The limits of a VM.
    pub(crate) fn of_store(&self) -> StoreLimits {
        let bytes = self.memory.integer(MAX_MEMORY_BYTES);
        StoreLimitsBuilder::new()
            .memory_size(usize::try_from(bytes).unwrap_or(usize::MAX))
            .table_elements(MAX_TABLE_ELEMENTS)
            .instances(1)
            // The limit of memory is one of each.
            .memories(1)
            .tables(2)
            .build()
    }
}

/// The engine of the process.
pub(crate) fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let mut config = Config::default();
        config
            .consume_fuel(true)
            .ignore_custom_sections(true)
            .set_max_recursion_depth(MAX_RECURSION)
            .set_max_stack_height(MAX_STACK_BYTES);
        Engine::new(&config)
    })
}

/// The version of the ABI that a module was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Abi {
    V0_1_0,
    V0_2_0,
    V0_2_1,
}

const VERSIONS: [(&str, Abi); 3] = [
    ("proxy_abi_version_0_1_0", Abi::V0_1_0),
    ("proxy_abi_version_0_2_0", Abi::V0_2_0),
    ("proxy_abi_version_0_2_1", Abi::V0_2_1),
];

/// Compiles a module.
///
/// # Errors
/// What is wrong with it, in Envoy's words.
pub(crate) fn compile(code: &[u8]) -> Result<(Module, Abi), &'static str> {
    if !code.starts_with(b"\0asm") || code.len() < 8 {
        return Err("Failed to parse corrupted Wasm module");
    }
    let module = Module::new(engine(), code).map_err(|_| "Failed to load Wasm bytecode")?;
    let exported = module.exports().find_map(|export| {
        let known = VERSIONS.iter().find(|(name, _)| *name == export.name());
        known.map(|(_, abi)| *abi)
    });
    let abi = exported.ok_or("Missing or unknown Proxy-Wasm ABI version")?;
    Ok((module, abi))
}
