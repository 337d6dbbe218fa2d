//! Messages in files of their own, which a configuration names.
//!
//! What is wrong in one is told in words, as its text is no part of the configuration's. Protobuf's binary format is not
//! read. Limits: those of [`Limits`].

use std::sync::Arc;

use nuncio_api as api;

use crate::interpret::interpret;
use crate::source::{Format, Source};
use crate::text::{self, Limits};
use crate::typed::{Ctx, FromValue, decode};

/// Reads the message of type `message` that the file at `path` holds.
///
/// # Errors
/// What is wrong with it.
pub fn read_beside<T: FromValue>(message: &str, path: &str, bytes: Vec<u8>) -> Result<T, String> {
    let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    let source = Source::new(path, Format::of_path(path), text);
    let mut ctx = Ctx::new(false);
    let node = text::parse(&source, 0, &Limits::default(), &mut ctx.diagnostics);
    let read = node
        .zip(api::message(message))
        .and_then(|(node, descriptor)| {
            let tree = interpret(descriptor, &node, &mut ctx.diagnostics)?;
            decode::<T>(&Arc::new(tree), &mut ctx).ok()
        });
    let wrong = ctx.diagnostics.errors() > 0;
    match read {
        Some(read) if !wrong => Ok(read),
        _ => {
            let first = ctx.diagnostics.iter().next();
            Err(first.map_or_else(String::new, |first| first.message.to_string()))
        }
    }
}
