//! Caches of names (`dynamic_forward_proxy`): all that have one name have to be the same.

use nuncio_config::tree::{Message, same};

use super::Checker;
use super::look::Look;

pub(super) fn check(cache: &Message, checker: &mut Checker<'_>) {
    let Some((name, span)) = cache.text("name") else {
        return;
    };
    let named = |known: &&Message| known.text("name").is_some_and(|(known, _)| known == name);
    match checker.dns_caches.iter().find(named) {
        None => checker.dns_caches.push(cache.clone()),
        Some(known) if same(known, cache) => {}
        Some(_) => {
            let text = format!("config specified DNS cache '{name}' with different settings");
            checker
                .error(span, text)
                .note("a filter and its cluster share the cache: each has to say the same of it");
        }
    }
}
