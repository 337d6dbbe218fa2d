//! Which actions were done for a stream, as filter state: each composite filter's by its name.

use std::any::Any;

use nuncio_contract::stream_info::{FilterStateObject, StreamInfo};

const KEY: &str = "envoy.extensions.filters.http.composite.matched_actions";

/// Actions by filter, sorted.
struct MatchedActions(Vec<(Box<str>, Box<str>)>);

/// Leaves behind that `filter` did `action`.
pub(super) fn leave(info: &mut StreamInfo, filter: &str, action: &str) {
    let state = info.filter_state_mut();
    let entry = (filter.into(), action.into());
    let Some(MatchedActions(all)) = state.get_mut_as::<MatchedActions>(KEY) else {
        state.set(KEY, Box::new(MatchedActions(vec![entry])));
        return;
    };
    match all.binary_search_by(|(name, _)| (**name).cmp(filter)) {
        Ok(at) => {
            if let Some(place) = all.get_mut(at) {
                *place = entry;
            }
        }
        Err(at) => all.insert(at, entry),
    }
}

impl FilterStateObject for MatchedActions {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn serialize_as_string(&self) -> Option<String> {
        self.serialize_as_json()
    }

    fn serialize_as_json(&self) -> Option<String> {
        let fields = self.0.iter().map(|(filter, action)| {
            let filter = serde_json::Value::from(&**filter);
            let action = serde_json::Value::from(&**action);
            format!("{filter}:{action}")
        });
        Some(format!("{{{}}}", fields.collect::<Vec<_>>().join(",")))
    }
}
