//! A plugin is compiled: its code is read, tried once with its configuration, and ready for the workers.
//!
//! Follows Envoy's `PluginConfig`. Code is at most 64 MiB, code that is fetched 32 MiB; what of that is not at hand comes
//! later (`slot.rs`), or lets the configuration be refused while it is fetched (`nack_on_code_cache_miss`). The runtime
//! `null`, whose plugins are a part of Envoy, is refused as not supported yet.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use nuncio_config::span::Span;
use nuncio_config::tree::Value;
use nuncio_config::typed::{Any, Awaited, Ctx, Refused};
use nuncio_config::wire;
use nuncio_contract::clock::{Clock, SystemClock};

use crate::base::VmSettings;
use crate::code_cache;
use crate::engine::{Limits, MAX_CODE_BYTES};
use crate::host::general::complain;
use crate::messages::{CodeSource, FailurePolicy, PluginConfig, VmChoice, VmConfig};
use crate::plugin::Policy;
use crate::remote::Remote;
use crate::slot::{Recipe, Slot, fetch_aside};

const RUNTIMES: [&str; 3] = [
    "envoy.wasm.runtime.v8",
    "envoy.wasm.runtime.wasmtime",
    "envoy.wasm.runtime.wamr",
];
const DEFAULT_RUNTIME: &str = "envoy.wasm.runtime.v8";
const DEFAULT_RELOAD: Duration = Duration::from_secs(1);

/// Compiles a plugin and tries it.
pub(crate) fn compile(
    config: Option<&PluginConfig>,
    place: Span,
    ctx: &mut Ctx,
) -> Result<Arc<Slot>, Refused> {
    let Some(config) = config else {
        ctx.error(place, "Unable to create Wasm plugin ");
        return Err(Refused);
    };
    let span = config.name.span;
    let policy = policy(config, ctx)?;
    let vm = config.vm.as_ref().map(|VmChoice::Vm(vm)| vm);
    let (settings, code) = match vm {
        Some(vm) => (settings(config, vm, ctx)?, code(vm, ctx)?),
        None => (None, Code::Here(Arc::default())),
    };
    let name = &config.name.value;
    let made = match (settings, code) {
        (Some(settings), Code::Here(code)) if !code.is_empty() => {
            let recipe = recipe(config, policy, settings);
            let plugin = recipe.make(&code);
            plugin.map(|plugin| Slot::filled(recipe, plugin))
        }
        (Some(settings), Code::Awaited(remote)) => {
            let slot = Slot::remote(recipe(config, policy, settings), remote);
            ctx.awaited.push(Arc::clone(&slot) as Arc<dyn Awaited>);
            Ok(slot)
        }
        _ => Err(""),
    };
    made.map_err(|why| {
        if !why.is_empty() {
            complain(&format!("Wasm VM failed {why}"));
        }
        let note = ctx.error(span, format!("Unable to create Wasm plugin {name}"));
        if !why.is_empty() {
            note.note(why.to_owned());
        }
        Refused
    })
}

fn recipe(config: &PluginConfig, policy: Policy, settings: VmSettings) -> Recipe {
    let configuration = config.configuration.as_ref().map(bytes_of);
    Recipe {
        name: config.name.value.as_str().into(),
        root_id: config.root_id.as_str().into(),
        configuration: configuration.unwrap_or_default().into(),
        policy,
        fails_open: config.fail_open.value,
        holds_heads: config.allow_on_headers_stop_iteration.unwrap_or(false),
        settings,
    }
}

fn policy(config: &PluginConfig, ctx: &mut Ctx) -> Result<Policy, Refused> {
    let reload = config.reload_config.as_ref();
    let reload = reload.and_then(|reload| reload.backoff.as_ref());
    Ok(match (config.fail_open.value, config.failure_policy) {
        (true, FailurePolicy::Unspecified) | (false, FailurePolicy::Open) => Policy::Open,
        (true, _) => {
            let text = "only one of fail_open or failure_policy can be set";
            ctx.error(config.fail_open.span, text);
            return Err(Refused);
        }
        (false, FailurePolicy::Reload) => {
            Policy::Reload(reload.map_or(DEFAULT_RELOAD, |backoff| backoff.base_interval))
        }
        (false, _) => Policy::Closed,
    })
}

fn settings(
    config: &PluginConfig,
    vm: &VmConfig,
    ctx: &mut Ctx,
) -> Result<Option<VmSettings>, Refused> {
    let runtime = match vm.runtime.value.as_str() {
        "" => DEFAULT_RUNTIME,
        "envoy.wasm.runtime.null" => {
            let what =
                "the Wasm runtime `envoy.wasm.runtime.null`, whose plugins are built into Envoy";
            return Err(ctx.unsupported_here(vm.runtime.span, what));
        }
        other => other,
    };
    if !RUNTIMES.contains(&runtime) {
        complain(&format!(
            "Failed to create Wasm VM using {runtime} runtime. Envoy was compiled without support for it"
        ));
        return Ok(None);
    }
    let restriction = config.capability_restriction_config.as_ref();
    let allowed: BTreeSet<String> = restriction
        .map(|restriction| &restriction.allowed_capabilities[..])
        .unwrap_or_default()
        .iter()
        .map(|(name, _)| name.clone())
        .collect();
    Ok(Some(VmSettings {
        vm_id: vm.vm_id.as_str().into(),
        runtime: runtime.into(),
        configuration: vm
            .configuration
            .as_ref()
            .map(bytes_of)
            .unwrap_or_default()
            .into(),
        environment: environment(config, vm, ctx)?,
        allowed,
        limits: Limits::new(&ctx.runtime),
    }))
}

fn environment(
    config: &PluginConfig,
    vm: &VmConfig,
    ctx: &mut Ctx,
) -> Result<Vec<(String, String)>, Refused> {
    let Some(variables) = &vm.environment_variables else {
        return Ok(Vec::new());
    };
    let mut all = variables.key_values.clone();
    let mut names: BTreeSet<&str> = all_names(&variables.key_values);
    let mut of_host = Vec::new();
    for name in &variables.host_env_keys {
        if !names.insert(&name.value) {
            let text = format!(
                "Key {} is duplicated in envoy.extensions.wasm.v3.VmConfig.environment_variables for {}. All the keys must be unique.",
                name.value, config.name.value
            );
            ctx.error(name.span, text);
            return Err(Refused);
        }
        if let Ok(value) = std::env::var(&name.value) {
            of_host.push((name.value.clone(), value));
        }
    }
    all.extend(of_host);
    Ok(all)
}

fn all_names(variables: &[(String, String)]) -> BTreeSet<&str> {
    variables.iter().map(|(name, _)| name.as_str()).collect()
}

/// Code, or where it is.
enum Code {
    /// Empty if there is none.
    Here(Arc<[u8]>),
    Awaited(Remote),
}

fn code(vm: &VmConfig, ctx: &mut Ctx) -> Result<Code, Refused> {
    let source = vm.code.as_ref().and_then(|code| code.specifier.as_ref());
    let remote = match source {
        Some(CodeSource::Local(local)) => {
            return Ok(Code::Here(local.read(MAX_CODE_BYTES, ctx)?.into()));
        }
        Some(CodeSource::Remote(remote)) => Remote::compile(remote, ctx)?,
        None => return Ok(Code::Here(Arc::default())),
    };
    let cached = code_cache::with(|cache| cache.find(&remote.sha256, SystemClock.now()));
    Ok(match cached {
        Some(code) => Code::Here(code),
        None if vm.nack_on_code_cache_miss => {
            fetch_aside(remote);
            Code::Here(Arc::default())
        }
        None => Code::Awaited(remote),
    })
}

/// A configuration as plugins get it: texts and bytes as they are, all else encoded, structures too, whatever Envoy's
/// documentation says of them.
fn bytes_of(any: &Any) -> Vec<u8> {
    let first = any.message.get(1).map(|entry| &entry.value);
    match (any.type_name(), first) {
        ("google.protobuf.StringValue" | "google.protobuf.BytesValue", None) => Vec::new(),
        ("google.protobuf.StringValue", Some(Value::String(text))) => text.as_bytes().to_vec(),
        ("google.protobuf.BytesValue", Some(Value::Bytes(bytes))) => bytes.to_vec(),
        // It is kept as a value, which is the only field of a message.
        ("google.protobuf.Struct", _) => {
            let whole = wire::encode(&any.message);
            let within = |bytes, number| {
                let fields = crate::wire::fields(bytes).unwrap_or_default();
                crate::wire::bytes(&fields, number)
            };
            within(within(&whole, 1), 5).to_vec()
        }
        _ => wire::encode(&any.message),
    }
}
