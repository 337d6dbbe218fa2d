//! Tags in a file of their own: a message of YAML or JSON by the file's name, read once at load.

use std::sync::Arc;

use nuncio_config::diagnostic::Severity;
use nuncio_config::source::{Format, Source};
use nuncio_config::tree::Message;
use nuncio_config::typed::{Any, Ctx, Refused, decode};
use nuncio_config::{interpret, text, validate};
use nuncio_contract::data_source::{DataSource, Words};

use super::config::IpTagging;
use super::tags::Tags;

/// Bytes that a file may have.
const MAX_FILE_BYTES: usize = 8 << 20;
/// The only field that a file has.
const IP_TAGS: &str = "ip_tags";

pub(super) fn read(any: &Any, source: &DataSource, ctx: &mut Ctx) -> Result<Tags, Refused> {
    let refuse = |ctx: &mut Ctx, text: String| {
        ctx.error(source.span(), text);
        Refused
    };
    let Some(path) = source.filename() else {
        let text = "Cannot load tags from empty filename in datasource.";
        return Err(refuse(ctx, text.to_owned()));
    };
    let format = match path.rsplit_once('.') {
        Some((_, "yaml")) => Format::Yaml,
        Some((_, "json")) => Format::Json,
        _ => {
            let text = format!("Unsupported file format, unable to parse ip tags from file {path}");
            return Err(refuse(ctx, text));
        }
    };
    let bytes = source.read_or_say(MAX_FILE_BYTES, &WORDS, ctx)?;
    if bytes.is_empty() {
        let text = format!("unable to create data source 'file {path} is empty'");
        return Err(refuse(ctx, text));
    }
    let text = String::from_utf8_lossy(&bytes);
    let source = Source::new(path, format, &*text);
    parse(any, &source).map_err(|why| {
        let text = format!("unable to create data source '{why}'");
        refuse(ctx, text)
    })
}

const WORDS: Words = Words {
    no_file: |path| format!("unable to create data source 'Invalid path: {path}'"),
    too_large: |_, bytes, limit_bytes| {
        format!("unable to create data source 'file has {bytes} bytes, more than {limit_bytes}'")
    },
};

/// The file's message is the filter's with its tags alone, so it is read as one.
fn parse(any: &Any, source: &Source) -> Result<Tags, String> {
    let mut inner = Ctx::new(false);
    let parsed = tree_of(any, source, &mut inner).and_then(|tree| {
        let errors = inner
            .diagnostics
            .iter()
            .any(|found| found.severity == Severity::Error);
        if errors {
            return Err(Refused);
        }
        decode::<IpTagging>(&Arc::new(tree), &mut inner)
    });
    match parsed {
        Ok(message) => Tags::compile(&message.ip_tags).map_err(|(_, why)| why),
        Err(_) => {
            let first = inner.diagnostics.iter().next();
            Err(first.map_or_else(String::new, |found| found.message.clone()))
        }
    }
}

fn tree_of(any: &Any, source: &Source, inner: &mut Ctx) -> Result<Message, Refused> {
    let diagnostics = &mut inner.diagnostics;
    let node = text::parse(source, 0, &text::Limits::default(), diagnostics).ok_or(Refused)?;
    let tree = interpret::interpret(any.message.descriptor, &node, diagnostics).ok_or(Refused)?;
    let names = tree
        .descriptor
        .fields()
        .map(|field| (field.number(), field.name()));
    let foreign = names.filter(|(number, name)| *name != IP_TAGS && tree.get(*number).is_some());
    if let Some((_, name)) = foreign.into_iter().next() {
        let text = format!("there is no field `{name}` in a file of tags");
        diagnostics.error(tree.span, text);
        return Err(Refused);
    }
    validate::validate(&tree, diagnostics);
    Ok(tree)
}
