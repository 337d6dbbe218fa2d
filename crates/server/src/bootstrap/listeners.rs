//! The bootstrap's listeners, each with what it refers to.

use std::collections::HashMap;
use std::sync::Arc;

use nuncio_config::span::Span;
use nuncio_config::tree;
use nuncio_config::typed::{Attempt, Ctx, Refused};

use super::findings::left_out;
use crate::config::Listener;
use crate::listener::{CompileContext, CompiledListener};
use crate::resource::{ListenerResource, Version, wishes_since};

pub(super) fn compile_listeners(
    messages: &[Attempt<Listener>],
    tree: &tree::Message,
    context: &mut CompileContext<'_>,
) -> Vec<Result<ListenerResource, Refused>> {
    let trees = tree
        .find(&["static_resources", "listeners"])
        .and_then(tree::Value::as_list)
        .unwrap_or_default();
    messages
        .iter()
        .zip(trees)
        .map(|(listener, tree)| match listener {
            Attempt(Ok(listener)) => compile_listener(listener, &tree.value, context),
            Attempt(Err(Refused)) => Err(Refused),
        })
        .collect()
}

/// One listener with what it refers to.
pub(crate) fn compile_listener(
    listener: &Listener,
    value: &tree::Value,
    context: &mut CompileContext<'_>,
) -> Result<ListenerResource, Refused> {
    let files_before = context.ctx.files.len();
    let secrets_before = context.ctx.secrets_used.len();
    let wanted_before = context.ctx.secrets_wanted.len();
    let awaited_before = context.ctx.awaited.len();
    let (compiled, routes) = CompiledListener::compile(listener, context)?;
    let wanted = wishes_since(wanted_before, context.ctx)?;
    Ok(ListenerResource {
        version: Version {
            message: Arc::clone(value.as_message().ok_or(Refused)?),
            files: context.ctx.files.split_off(files_before),
            secrets: context.ctx.secrets_used.split_off(secrets_before),
            wanted,
        },
        listener: Arc::new(compiled),
        awaited: context.ctx.awaited.split_off(awaited_before),
        routes,
        is_counted: false,
        update: None,
    })
}

/// What is not supported may be allowed, but a listener does not run without it: it would be another one.
pub(super) fn without_refused(
    listeners: Vec<Result<ListenerResource, Refused>>,
    ctx: &mut Ctx,
) -> Vec<ListenerResource> {
    let all = listeners.len();
    let sound: Vec<_> = listeners.into_iter().flatten().collect();
    match all - sound.len() {
        0 => {}
        1 => left_out("one listener", ctx),
        more => left_out(&format!("{more} listeners"), ctx),
    }
    sound
}

/// Of listeners with the same name the last one counts, as in Envoy.
pub(super) fn last_of_each_name(
    listeners: Vec<ListenerResource>,
    ctx: &mut Ctx,
) -> Vec<ListenerResource> {
    let mut last: Vec<ListenerResource> = Vec::with_capacity(listeners.len());
    let mut places: HashMap<String, usize> = HashMap::new();
    for resource in listeners {
        let name = &resource.listener.name;
        let place = places.get(name).copied();
        match place.and_then(|place| last.get_mut(place)) {
            Some(earlier) => {
                let text = format!("there is more than one listener `{name}`: the last one counts");
                ctx.warning(Span::NONE, text);
                *earlier = resource;
            }
            None => {
                places.insert(name.clone(), last.len());
                last.push(resource);
            }
        }
    }
    last
}
