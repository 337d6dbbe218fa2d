//! URI templates: each in itself, and a route's rewrite beside its matcher.

use nuncio_config::tree::Message;
use nuncio_contract::matching::uri_template::{check_both, check_match, check_rewrite};

use super::Checker;
use super::look::Look;

/// A pattern that paths are matched by.
pub(super) fn matcher(config: &Message, checker: &mut Checker<'_>) {
    if let Some((text, span)) = config.text("path_template")
        && !text.is_empty()
        && let Err(message) = check_match(text)
    {
        checker.error(span, message);
    }
}

/// What a path becomes.
pub(super) fn rewrite(config: &Message, checker: &mut Checker<'_>) {
    if let Some((text, span)) = config.text("path_template_rewrite")
        && !text.is_empty()
        && let Err((message, reason)) = check_rewrite(text)
    {
        checker.error(span, message).note(reason);
    }
}

/// What a route does with its path beside how it matches it.
pub(super) fn route(route: &Message, checker: &mut Checker<'_>) {
    let Some(condition) = route.child("match") else {
        return;
    };
    let matcher = condition.child("path_match_policy");
    if condition.has("path_match_policy") {
        for (action, text) in [
            ("route", "Cannot use prefix_rewrite with matcher extension"),
            (
                "redirect",
                "Cannot use redirect.prefix_rewrite with path_match_policy",
            ),
        ] {
            if let Some(action) = route.child(action)
                && action
                    .text("prefix_rewrite")
                    .is_some_and(|(prefix, _)| !prefix.is_empty())
            {
                checker.error(action.key_place("prefix_rewrite"), text);
            }
        }
    }
    let policy = route
        .child("route")
        .and_then(|action| action.child("path_rewrite_policy"));
    let Some((rewrite, place)) = policy.and_then(|policy| policy.any("typed_config")) else {
        return;
    };
    let Some((text, span)) = rewrite.message.text("path_template_rewrite") else {
        return;
    };
    if check_rewrite(text).is_err() {
        return;
    }
    let Some(matcher) = matcher else {
        if !condition.has("path_match_policy") && !condition.is_refused("path_match_policy") {
            let text = "unable to use envoy.path.rewrite.uri_template.uri_template_rewriter extension without \
                        envoy.path.match.uri_template.uri_template_matcher extension";
            checker.error(place, text);
        }
        return;
    };
    let template = matcher.any("typed_config");
    if let Some((template, _)) = template.and_then(|(any, _)| any.message.text("path_template"))
        && check_match(template).is_ok()
        && let Err(message) = check_both(template, text)
    {
        checker.error(span, message);
    }
}
