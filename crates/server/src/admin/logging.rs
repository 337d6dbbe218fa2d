//! `/logging`: levels of the loggers.

use super::request::{AdminRequest, Params};
use super::response::AdminResponse;
use super::state::{AdminState, LogLevel};

const USAGE: &str = "
usage: /logging?<name>=<level> (change single level)
usage: /logging?paths=name1:level1,name2:level2,... (change multiple levels)
usage: /logging?level=<level> (change all levels)
usage: /logging?group=<group_name>:<level> (change group of loggers)
levels: ";

/// `/logging`: without parameters shows the levels, with one changes them first.
pub(super) fn logging(state: &dyn AdminState, request: &AdminRequest<'_>) -> AdminResponse {
    match changes(state, &request.params()) {
        Ok(changes) => {
            changes
                .iter()
                .for_each(|(logger, level)| state.set_log_level(logger, *level));
            AdminResponse::text(200, active_loggers(state))
        }
        Err(error) => {
            let levels: String = LogLevel::ALL
                .iter()
                .map(|level| format!("{} ", level.as_str()))
                .collect();
            AdminResponse::text(
                400,
                format!("error: {error}\n{USAGE}{levels}\n{}", active_loggers(state)),
            )
        }
    }
}

/// What the parameters ask for; nothing is changed unless all of it is right.
fn changes(
    state: &dyn AdminState,
    params: &Params,
) -> Result<Vec<(String, LogLevel)>, &'static str> {
    let Some((name, value)) = params.iter().next() else {
        return Ok(Vec::new());
    };
    if params.len() > 1 {
        return Err("invalid number of parameters");
    }
    if value.is_empty() {
        return Ok(Vec::new());
    }
    let level = |text: &str| level_of(text).ok_or("unknown logger level");
    match name {
        "level" => {
            let level = level(value)?;
            Ok(state
                .loggers()
                .into_iter()
                .map(|(logger, _)| (logger.to_owned(), level))
                .collect())
        }
        "group" => Err("group parameter requires fine-grain logging to be enabled"),
        "paths" => value
            .split(',')
            .filter(|pair| !pair.is_empty())
            .map(|pair| named(state, pair.split_once(':').unwrap_or((pair, ""))))
            .collect(),
        logger => Ok(vec![named(state, (logger, value))?]),
    }
}

fn named(
    state: &dyn AdminState,
    (logger, level): (&str, &str),
) -> Result<(String, LogLevel), &'static str> {
    if logger.is_empty() || level.is_empty() {
        return Err("empty logger name or empty logger level");
    }
    let level = level_of(level).ok_or("unknown logger level")?;
    let known = state.loggers().iter().any(|(name, _)| *name == logger);
    known
        .then(|| (logger.to_owned(), level))
        .ok_or("unknown logger name")
}

fn active_loggers(state: &dyn AdminState) -> String {
    let lines = state
        .loggers()
        .into_iter()
        .map(|(logger, level)| format!("  {logger}: {}\n", level.as_str()));
    format!("active loggers:\n{}\n", lines.collect::<String>())
}

/// The level of exactly this name: the command line's `warn` is none here.
fn level_of(text: &str) -> Option<LogLevel> {
    LogLevel::ALL
        .into_iter()
        .find(|level| level.as_str() == text)
}
