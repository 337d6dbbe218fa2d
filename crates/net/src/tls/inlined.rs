//! Secrets from elsewhere, with what their files hold in the place of the names of these files.

use std::sync::Arc;

use nuncio_config::span::Span;
use nuncio_config::tree::{Entry, Item, Message, Value, without_places};
use nuncio_config::typed::{Ctx, Refused, decode};
use nuncio_contract::data_source::DataSource;

/// Most bytes of a file.
const LIMIT_BYTES: usize = 64 << 20;

const SOURCE: &str = "envoy.config.core.v3.DataSource";

/// A message `Secret` that names no files any more, and stands nowhere; the files are noted in `ctx`.
///
/// # Errors
/// [`Refused`] when one of them cannot be read.
pub fn inlined(secret: &Message, ctx: &mut Ctx) -> Result<Arc<Message>, Refused> {
    let mut message = without_places(secret);
    inline(&mut message, ctx)?;
    Ok(Arc::new(message))
}

fn inline(message: &mut Message, ctx: &mut Ctx) -> Result<(), Refused> {
    for entry in message.entries().to_vec() {
        let value = match &entry.value {
            Value::List(items) => {
                let items = items.iter().map(|item| {
                    let value = inline_value(&item.value, ctx)?;
                    Ok(Item { value, ..*item })
                });
                Value::List(items.collect::<Result<_, Refused>>()?)
            }
            value => inline_value(value, ctx)?,
        };
        if !entry.is_implicit_default() {
            message.set(Entry::new(entry.number, Span::NONE, Span::NONE, value));
        }
    }
    Ok(())
}

fn inline_value(value: &Value, ctx: &mut Ctx) -> Result<Value, Refused> {
    let Value::Message(message) = value else {
        return Ok(value.clone());
    };
    let is_file = message.name() == SOURCE && message.get_by_name("filename").is_some();
    let inlined = match is_file {
        true => read(message, ctx)?,
        false => {
            let mut inner = (**message).clone();
            inline(&mut inner, ctx)?;
            inner
        }
    };
    Ok(Value::Message(Arc::new(inlined)))
}

fn read(source: &Arc<Message>, ctx: &mut Ctx) -> Result<Message, Refused> {
    let data: DataSource = decode(source, ctx)?;
    let bytes = Value::Bytes(data.read(LIMIT_BYTES, ctx)?.into());
    let field = source.descriptor.field("inline_bytes").ok_or(Refused)?;
    let entry = Entry::new(field.number(), Span::NONE, Span::NONE, bytes);
    Ok(Message::with_entries(
        source.descriptor,
        Span::NONE,
        vec![entry],
    ))
}
