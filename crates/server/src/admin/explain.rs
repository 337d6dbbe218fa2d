//! `/explain`: which way a request would take through what is running now. Nuncio's own; Envoy has no such
//! endpoint. Nothing is sent to anybody, and workers are not asked.

use std::net::IpAddr;

use nuncio_http::explain::Listing;

use super::request::{AdminRequest, Params};
use super::response::AdminResponse;
use super::state::AdminState;
use crate::explain::Question;

/// Of all routes so many on each side of the one that is taken are told, as the main thread has others to answer.
const MOST_ON_EACH_SIDE: usize = 500;

/// `/explain`; `format=json` for JSON, anything else is text.
pub(super) fn explain(state: &dyn AdminState, request: &AdminRequest<'_>) -> AdminResponse {
    let params = request.params();
    let as_json = params.first("format") == Some("json");
    let answer = question(&params).and_then(|question| state.explain(&question, as_json));
    match answer {
        Ok(text) if as_json => AdminResponse::json(text),
        Ok(text) => AdminResponse::text(200, text),
        Err(wrong) => AdminResponse::text(400, format!("{wrong}\n")),
    }
}

fn question(params: &Params) -> Result<Question, String> {
    let url = params.non_empty("url").ok_or(
        "what is to be explained? For example /explain?method=GET&url=http://example.com/path&header=x-a:b",
    )?;
    let headers = params.iter().filter(|(name, _)| *name == "header");
    let headers = headers.map(|(_, text)| Question::header(text));
    Ok(Question {
        method: params.non_empty("method").unwrap_or("GET").to_owned(),
        url: url.to_owned(),
        headers: headers.collect::<Result<_, _>>()?,
        listener: params.non_empty("listener").map(str::to_owned),
        source: parsed::<IpAddr>(params, "source", "an IP address")?,
        random: parsed(params, "random", "a number")?.unwrap_or(0),
        is_tls: params.has("tls"),
        listing: match params.has("all") {
            true => Listing::Around(MOST_ON_EACH_SIDE),
            false => Listing::default(),
        },
    })
}

fn parsed<T: std::str::FromStr>(
    params: &Params,
    name: &str,
    kind: &str,
) -> Result<Option<T>, String> {
    let Some(text) = params.non_empty(name) else {
        return Ok(None);
    };
    let value = text.parse();
    value
        .map(Some)
        .map_err(|_| format!("`{name}` is to be {kind}, not `{text}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str) -> Result<Question, String> {
        question(&Params::parse(query))
    }

    #[test]
    fn a_url_is_enough() {
        let question = asked("url=http://a/b").expect("a question");
        assert_eq!(question.method, "GET");
        assert_eq!(question.url, "http://a/b");
        assert_eq!(question.headers, []);
    }

    #[test]
    fn everything_can_be_given() {
        let query = "method=POST&url=http%3A%2F%2Fa%2Fb%3Fc%3Dd%26e&header=x-a:%20b:c&header=x-d:&listener=l\
                     &source=10.0.0.1&random=7&tls&all";
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            asked(query),
            Ok(Question {
                method: "POST".to_owned(),
                url: "http://a/b?c=d&e".to_owned(),
                headers: vec![pair("x-a", "b:c"), pair("x-d", "")],
                listener: Some("l".to_owned()),
                source: "10.0.0.1".parse().ok(),
                is_tls: true,
                random: 7,
                listing: Listing::Around(MOST_ON_EACH_SIDE),
            })
        );
    }

    #[test]
    fn a_bad_question_is_answered_with_what_is_wrong() {
        for (query, part) in [
            ("", "/explain?method=GET&url="),
            ("url=a&header=nocolon", "`nocolon`"),
            ("url=a&source=home", "an IP address, not `home`"),
            ("url=a&random=-1", "a number, not `-1`"),
        ] {
            let wrong = asked(query).expect_err(query);
            assert!(wrong.contains(part), "{query}: {wrong}");
        }
    }
}
