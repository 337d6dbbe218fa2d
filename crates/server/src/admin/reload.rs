//! `/reload`, Nuncio's own: reads the configuration file again and applies what changed.
//!
//! 200 with what was added, updated and removed as JSON, once every worker has it; 400 with all that is wrong
//! if the file is refused, and then nothing has changed.

use super::json::Json;
use super::request::AdminRequest;
use super::response::AdminResponse;
use super::state::{AdminState, ReloadChanges, ReloadOutcome};

/// `/reload`.
pub(super) fn reload(state: &dyn AdminState, _request: &AdminRequest<'_>) -> AdminResponse {
    let outcome = state.reload();
    AdminResponse::later(Box::pin(async move { response(&outcome.await) }))
}

fn response(outcome: &ReloadOutcome) -> AdminResponse {
    match outcome {
        ReloadOutcome::Applied {
            clusters,
            listeners,
        } => AdminResponse::json(
            Json::object()
                .with("clusters", changes(clusters))
                .with("listeners", changes(listeners))
                .pretty(),
        ),
        ReloadOutcome::Refused(why) => AdminResponse::text(400, why.as_str()),
    }
}

fn changes(changes: &ReloadChanges) -> Json {
    let names = |names: &[String]| -> Vec<Json> {
        names
            .iter()
            .map(|name| Json::String(name.clone()))
            .collect()
    };
    Json::object()
        .with("added", names(&changes.added))
        .with("updated", names(&changes.updated))
        .with("removed", names(&changes.removed))
        .with("unchanged", changes.unchanged as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::response::Body;

    fn body(response: AdminResponse) -> String {
        String::from_utf8(response.body.collect()).expect("UTF-8")
    }

    #[test]
    fn what_was_applied_is_told_by_name() {
        let clusters = ReloadChanges {
            added: vec!["new".into()],
            unchanged: 2,
            ..ReloadChanges::default()
        };
        let outcome = ReloadOutcome::Applied {
            clusters,
            listeners: ReloadChanges::default(),
        };
        let response = response(&outcome);
        assert_eq!(response.status, 200);
        assert_eq!(response.content_type, "application/json");
        assert_eq!(
            body(response).split_whitespace().collect::<String>(),
            r#"{"clusters":{"added":["new"],"updated":[],"removed":[],"unchanged":2},"#.to_string()
                + r#""listeners":{"added":[],"updated":[],"removed":[],"unchanged":0}}"#
        );
    }

    #[test]
    fn a_refused_file_is_answered_with_all_that_is_wrong() {
        let response = response(&ReloadOutcome::Refused("error: no\n".into()));
        assert_eq!(response.status, 400);
        assert!(matches!(response.body, Body::Whole(_)));
        assert_eq!(body(response), "error: no\n");
    }
}
