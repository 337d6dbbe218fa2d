//! Loading a bootstrap: read, parse, upgrade, merge `--config-yaml` over the file, interpret, validate.
//!
//! As Envoy does: the file's format follows its name, the inline YAML is merged over the file message
//! by message, and the rules are checked on the whole. Differences: all errors are found in one run;
//! a file that is not there is an error about no text.
//!
//! Limits: those of [`Limits`]; a file larger than its bytes is not read.

use std::io::Read as _;
use std::path::Path;

use nuncio_api as api;

use crate::deprecation::{self, Guards};
use crate::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::encoding::yaml_text;
use crate::environment::{self, Environment};
use crate::interpret::{Reading, interpret, interpret_with};
use crate::report::{self, Style};
use crate::source::{Format, Source, Sources};
use crate::span::Span;
use crate::text::{self, Limits};
use crate::tree::{Message, merge};
use crate::upgrade::{self, Change};
use crate::validate::validate;
use crate::wire;

/// The full name of the bootstrap's message.
pub const BOOTSTRAP: &str = "envoy.config.bootstrap.v3.Bootstrap";

/// What to load.
#[derive(Clone, Debug, Default)]
pub struct Input {
    /// `-c`, `--config-path`.
    pub path: Option<String>,
    /// `--config-yaml`.
    pub yaml: Option<String>,
    /// The variables for `${NAME}` in strings (`--config-env`); none: such strings stay as they are.
    pub environment: Option<Environment>,
    /// Whether fields that the API does not have are passed over with a warning (`--allow-unknown-static-fields`).
    pub allow_unknown_fields: bool,
    /// Whether nothing is said of deprecated fields that are taken (`--skip-deprecated-logs`).
    pub skip_deprecated: bool,
    /// How much a text may hold.
    pub limits: Limits,
}

/// A configuration that was taken.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The bootstrap.
    pub tree: Message,
    /// The texts, for later findings; drop them once the configuration runs.
    pub sources: Sources,
    /// What may not do what was meant.
    pub warnings: Diagnostics,
    /// What the upgrade from v2 changed.
    pub changes: Vec<Change>,
}

/// A configuration that was refused.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// All that was found, errors and warnings.
    pub diagnostics: Diagnostics,
    /// The texts that the findings point into.
    pub sources: Sources,
    /// What could be read, so that further errors can be found in it.
    pub tree: Option<Message>,
}

impl Refusal {
    /// The findings as text.
    pub fn render(&self, style: Style) -> String {
        report::render(&self.diagnostics, &self.sources, style)
    }
}

/// Loads a bootstrap from a file, an inline YAML text, or both.
pub fn load(input: &Input) -> Result<Loaded, Box<Refusal>> {
    let mut loader = Loader {
        limits: input.limits,
        environment: input.environment.clone(),
        unknown_fields: match input.allow_unknown_fields {
            true => Severity::Warning,
            false => Severity::Error,
        },
        sources: Sources::default(),
        diagnostics: Diagnostics::default(),
        changes: Vec::new(),
    };
    let tree = loader.load(input);
    loader.diagnostics.sort();
    let Loader {
        sources,
        diagnostics,
        changes,
        ..
    } = loader;
    match tree {
        Some(tree) if !diagnostics.has_errors() => Ok(Loaded {
            tree,
            sources,
            warnings: diagnostics,
            changes,
        }),
        tree => Err(Box::new(Refusal {
            diagnostics,
            sources,
            tree,
        })),
    }
}

/// Reads a text as a message of the given type, with validation: files of resources, tests, fuzzing.
pub fn load_message(
    descriptor: api::Message,
    source: &Source,
    index: u32,
    limits: &Limits,
    diagnostics: &mut Diagnostics,
) -> Option<Message> {
    let mut node = text::parse(source, index, limits, diagnostics)?;
    if source.format == Format::ProtoText {
        text::proto::shape(descriptor, &mut node);
    }
    let message = interpret(descriptor, &node, diagnostics)?;
    validate(&message, diagnostics);
    Some(message)
}

/// Reads a file as the text that its name says it is.
pub fn read_text(path: &str, limits: &Limits) -> Result<Source, Diagnostic> {
    let format = Format::of_path(path);
    let bytes = read(path, limits)?;
    if format == Format::Yaml {
        return Ok(Source::new(path, format, yaml_text(bytes)));
    }
    let text = String::from_utf8(bytes).map_err(|_| {
        let text = format!("{path} is not UTF-8 text");
        Diagnostic::error(Span::NONE, text).with_envoy("Invalid UTF-8 string")
    })?;
    Ok(Source::new(path, format, text))
}

pub(crate) fn read(path: &str, limits: &Limits) -> Result<Vec<u8>, Diagnostic> {
    read_bytes(path, limits).map_err(|error| {
        Diagnostic::error(Span::NONE, format!("cannot read {path}: {error}"))
            .with_envoy(format!("Invalid path: {path}"))
    })
}

fn read_bytes(path: &str, limits: &Limits) -> std::io::Result<Vec<u8>> {
    let file = std::fs::File::open(Path::new(path))?;
    if file.metadata()?.is_dir() {
        return Err(std::io::Error::other("it is a directory"));
    }
    let mut bytes = Vec::new();
    // One byte more than is allowed, so that the text layer sees that there is too much.
    file.take(limits.text_bytes as u64 + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whether a text of the command line is the name of a file.
fn is_path(source: &Source) -> bool {
    let text = source.text.trim();
    let ends = [".yaml", ".yml", ".json"]
        .iter()
        .any(|end| text.ends_with(end));
    &*source.name == "--config-yaml" && ends && !text.contains(char::is_whitespace)
}

struct Loader {
    limits: Limits,
    unknown_fields: Severity,
    environment: Option<Environment>,
    sources: Sources,
    diagnostics: Diagnostics,
    changes: Vec<Change>,
}

impl Loader {
    fn load(&mut self, input: &Input) -> Option<Message> {
        let yaml = input.yaml.as_deref().filter(|yaml| !yaml.is_empty());
        let yaml = yaml.map(|yaml| yaml.strip_prefix('\u{feff}').unwrap_or(yaml));
        let path = input.path.as_deref().filter(|path| !path.is_empty());
        if yaml.is_none() && path.is_none() {
            let envoy = "At least one of --config-path or --config-yaml or Options::configProto() should be non-empty";
            self.diagnostics
                .error(Span::NONE, "no configuration is given")
                .suggest("use -c FILE")
                .envoy(envoy);
            return None;
        }
        let file = path.map(|path| self.file(path));
        let inline =
            yaml.map(|yaml| self.interpret(Source::new("--config-yaml", Format::Yaml, yaml)));
        let tree = match (file, inline) {
            (Some(file), Some(inline)) => {
                let mut tree = file?;
                merge(&mut tree, &inline?);
                tree
            }
            (file, inline) => file.or(inline)??,
        };
        validate(&tree, &mut self.diagnostics);
        let mut deprecated = Diagnostics::default();
        deprecation::check(&tree, &Guards::of_bootstrap(&tree), &mut deprecated);
        if input.skip_deprecated {
            deprecated = deprecated.filter(|found| found.severity == Severity::Error);
        }
        self.diagnostics.append(deprecated);
        Some(tree)
    }

    fn file(&mut self, path: &str) -> Option<Message> {
        let read = match Format::of_path(path) {
            Format::ProtoBinary => read(path, &self.limits).map(Err),
            _ => read_text(path, &self.limits).map(Ok),
        };
        match read {
            Ok(Ok(source)) => self.interpret(source),
            Ok(Err(bytes)) => wire::decode(api::message(BOOTSTRAP)?, &bytes, &mut self.diagnostics),
            Err(diagnostic) => {
                self.diagnostics.push(diagnostic);
                None
            }
        }
    }

    fn interpret(&mut self, source: Source) -> Option<Message> {
        let index = self.sources.add(source.clone());
        let mut node = text::parse(&source, index, &self.limits, &mut self.diagnostics)?;
        if !matches!(node.kind, text::Kind::Map(_) | text::Kind::List(_))
            && source.format == Format::Yaml
        {
            let envoy = format!("Unable to convert YAML as JSON: {}", source.text);
            let diagnostic = Diagnostic::error(
                node.span,
                format!("expected a map, found {}", node.describe()),
            );
            let mut diagnostic = diagnostic.with_envoy(envoy);
            if is_path(&source) {
                let path = source.text.trim();
                let suggestion = format!("`--config-yaml` takes the text itself: use `-c {path}`");
                diagnostic = diagnostic.with_suggestion(suggestion);
            }
            self.diagnostics.push(diagnostic);
            return None;
        }
        let bootstrap = api::message(BOOTSTRAP)?;
        if source.format == Format::ProtoText {
            text::proto::shape(bootstrap, &mut node);
        }
        let substituted = self.environment.as_ref().map(|environment| {
            let limit = self.limits.text_bytes;
            environment::substitute(
                environment,
                &mut node,
                &source,
                limit,
                &mut self.diagnostics,
            )
        });
        upgrade::run(&mut node, &mut self.changes);
        let substituted = substituted.unwrap_or_default();
        environment::settle(&substituted.whole, &mut node, bootstrap, &source);
        let how = Reading {
            unknown_fields: self.unknown_fields,
            unusable: &substituted.unusable,
        };
        interpret_with(bootstrap, &node, how, &mut self.diagnostics)
    }
}
