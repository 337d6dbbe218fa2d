//! Which part of a long list an answer shows: `filter` (a part of a name, in any case), `offset` and `limit`.

use crate::admin::json::Json;
use crate::admin::request::Params;

const DEFAULT_ROWS: usize = 50;
const MOST_ROWS: usize = 500;

/// What was asked for.
pub(super) struct Page {
    /// In lower case; empty for all.
    filter: String,
    pub(super) offset: usize,
    pub(super) limit: usize,
}

impl Page {
    pub(super) fn of(params: &Params) -> Self {
        let number = |name| {
            params
                .non_empty(name)
                .and_then(|text| text.parse::<usize>().ok())
        };
        Page {
            filter: params.first("filter").unwrap_or_default().to_lowercase(),
            offset: number("offset").unwrap_or(0),
            limit: number("limit").unwrap_or(DEFAULT_ROWS).min(MOST_ROWS),
        }
    }

    /// Whether nothing is filtered out.
    pub(super) fn takes_all(&self) -> bool {
        self.filter.is_empty()
    }

    /// Whether the filter is in `text`.
    pub(super) fn takes(&self, text: &str) -> bool {
        self.takes_all() || text.to_lowercase().contains(&self.filter)
    }

    /// Whether the `index`th of what is taken is shown.
    pub(super) fn shows(&self, index: usize) -> bool {
        index >= self.offset && index - self.offset < self.limit
    }

    /// The answer: rows, and how many there are altogether and after filtering.
    pub(super) fn answer(&self, total: usize, matching: usize, rows: Vec<Json>) -> Json {
        Json::object()
            .with("total", count(total))
            .with("matching", count(matching))
            .with("offset", count(self.offset))
            .with("at_ms", now_ms())
            .with("rows", rows)
    }
}

/// A number that scripts read as one; exact up to 2^53.
#[expect(
    clippy::cast_precision_loss,
    reason = "it is shown, and rates of it are taken"
)]
pub(super) fn number(value: u64) -> Json {
    Json::Number(value as f64)
}

pub(super) fn count(value: usize) -> Json {
    number(u64::try_from(value).unwrap_or(u64::MAX))
}

/// When the counters were read, for rates.
fn now_ms() -> Json {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let ms = since.unwrap_or_default().as_millis();
    number(u64::try_from(ms).unwrap_or(u64::MAX))
}
