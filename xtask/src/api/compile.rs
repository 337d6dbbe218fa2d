//! Sources -> `FileDescriptorProto`s by file name.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use protox::Compiler;
use protox::file::{ChainFileResolver, GoogleFileResolver};

use super::Failure;
use super::absolute::Absolute;
use super::sources::Sources;
use super::wire;

/// Encoded file descriptors by the name that other files import them with.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// The import roots inside `envoy-types`.
const ROOTS: [&str; 8] = [
    "data-plane-api",
    "xds",
    "protoc-gen-validate",
    "googleapis",
    "opentelemetry-proto",
    "cel-spec/proto",
    "client_model",
    "ratelimit/api",
];

/// Folders of `xds-protos` that a configuration can name a message of.
const MODULE_FOLDERS: [&str; 7] = [
    "envoy",
    "xds",
    "udpa",
    "opencensus",
    "google/api/expr",
    "google/rpc",
    "cel/expr",
];

/// Well-known types that nothing else imports.
const WELL_KNOWN: [&str; 1] = ["google/protobuf/field_mask.proto"];

/// Parts of those folders that only test the languages that they define.
const SKIPPED: [&str; 2] = ["conformance", "v1beta1"];

/// Compiles the `.proto` files and adds the descriptors of the modules for what they lack.
pub(crate) fn compile(sources: &Sources) -> Result<Files, Failure> {
    let mut protos = BTreeMap::new();
    for root in ROOTS.iter().map(|root| sources.protos.join(root)) {
        for path in files_below(&root, "proto")? {
            let name = path.strip_prefix(&root)?.to_string_lossy().into_owned();
            protos.entry(name).or_insert(fs::read_to_string(&path)?);
        }
    }
    let names: Vec<String> = protos.keys().cloned().collect();
    let mut resolver = ChainFileResolver::new();
    resolver.add(GoogleFileResolver::new());
    resolver.add(Absolute::new(protos));
    let mut compiler = Compiler::with_file_resolver(resolver);
    compiler.include_imports(true);
    let well_known = WELL_KNOWN.map(String::from);
    for name in names.iter().chain(&well_known) {
        compiler.open_file(name)?;
    }
    let mut files = Files::new();
    for field in wire::fields(&compiler.encode_file_descriptor_set()) {
        let file = field.value.bytes().to_vec();
        let name = wire::field(&file, 1)
            .map(|name| name.text())
            .unwrap_or_default();
        files.insert(name, file);
    }
    for folder in MODULE_FOLDERS {
        for path in files_below(&sources.modules.join(folder), "py")? {
            if SKIPPED
                .iter()
                .any(|part| path.to_string_lossy().contains(part))
            {
                continue;
            }
            if let Some(file) = embedded_descriptor(&fs::read_to_string(&path)?) {
                let name = wire::field(&file, 1)
                    .map(|name| name.text())
                    .unwrap_or_default();
                files.entry(name).or_insert(file);
            }
        }
    }
    Ok(files)
}

/// The descriptor in a generated Python module: the argument of `AddSerializedFile(b'...')`.
fn embedded_descriptor(module: &str) -> Option<Vec<u8>> {
    let start = module.find("AddSerializedFile(b")? + "AddSerializedFile(b".len();
    let mut characters = module[start..].chars();
    let quote = characters.next()?;
    let mut bytes = Vec::new();
    loop {
        let character = characters.next()?;
        if character == quote {
            return Some(bytes);
        }
        bytes.push(if character == '\\' {
            escaped(&mut characters)?
        } else {
            character as u8
        });
    }
}

/// The rest of an escape of Python's bytes literals, after its backslash.
fn escaped(characters: &mut std::str::Chars<'_>) -> Option<u8> {
    let byte = match characters.next()? {
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'x' => {
            let digits: String = characters.by_ref().take(2).collect();
            u8::from_str_radix(&digits, 16).ok()?
        }
        digit @ '0'..='7' => {
            let mut value = digit.to_digit(8)?;
            for _ in 0..2 {
                let Some(next) = characters.clone().next().and_then(|next| next.to_digit(8)) else {
                    break;
                };
                characters.next();
                value = value * 8 + next;
            }
            value as u8
        }
        other => other as u8,
    };
    Some(byte)
}

fn files_below(folder: &Path, extension: &str) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files_below(&path, extension)?);
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
