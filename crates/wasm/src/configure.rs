//! A plugin is compiled: its code is read, tried once with its configuration, and ready for the workers.
//!
//! Follows Envoy's `PluginConfig`. Code is at most 64 MiB. Code that must be fetched (`remote`) is refused as not
//! supported yet, and so is the runtime `null`, whose plugins are a part of Envoy.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use nuncio_config::span::Span;
use nuncio_config::tree::Value;
use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_config::wire;

use crate::base::{Base, VmSettings};
use crate::engine::{Limits, MAX_CODE_BYTES};
use crate::host::general::complain;
use crate::key::key;
use crate::messages::{CodeSource, FailurePolicy, PluginConfig, VmChoice, VmConfig};
use crate::plugin::{Plugin, Policy};
use crate::vm;

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
) -> Result<Arc<Plugin>, Refused> {
    let Some(config) = config else {
        ctx.error(place, "Unable to create Wasm plugin ");
        return Err(Refused);
    };
    let span = config.name.span;
    let policy = policy(config, ctx)?;
    let vm = config.vm.as_ref().map(|VmChoice::Vm(vm)| vm);
    let (settings, code) = match vm {
        Some(vm) => (settings(config, vm, ctx)?, code(vm, ctx)?),
        None => (None, Vec::new()),
    };
    let name = &config.name.value;
    let made = match (settings, code.is_empty()) {
        (Some(settings), false) => make(config, policy, &settings, &code),
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

fn make(
    config: &PluginConfig,
    policy: Policy,
    settings: &VmSettings,
    code: &[u8],
) -> Result<Arc<Plugin>, &'static str> {
    let base = Base::of(settings, code)?;
    let configuration = config.configuration.as_ref().map(bytes_of);
    let configuration = configuration.unwrap_or_default();
    let plugin = Arc::new(Plugin {
        name: config.name.value.as_str().into(),
        root_id: config.root_id.as_str().into(),
        key: key(&[
            config.root_id.as_bytes(),
            &configuration,
            config.name.value.as_bytes(),
        ]),
        configuration: configuration.into(),
        policy,
        fails_open: config.fail_open.value,
        holds_heads: config.allow_on_headers_stop_iteration.unwrap_or(false),
        base,
        is_counted: AtomicBool::new(false),
    });
    vm::try_out(&plugin)?;
    Ok(plugin)
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

fn code(vm: &VmConfig, ctx: &mut Ctx) -> Result<Vec<u8>, Refused> {
    let source = vm.code.as_ref().and_then(|code| code.specifier.as_ref());
    match source {
        Some(CodeSource::Local(local)) => local.read(MAX_CODE_BYTES, ctx),
        None => Ok(Vec::new()),
    }
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
