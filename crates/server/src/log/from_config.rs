//! `application_log_config`: how lines look, as the configuration says instead of `--log-format`.
//!
//! A format of JSON is a pattern too, as in Envoy: its texts are patterns, its members stand in the order in which they
//! are written (Envoy's in none).

use std::sync::Arc;

use nuncio_config::tree::Json;
use nuncio_config::typed::{Ctx, Refused, Spanned};
use nuncio_config::{json_text, message, one_of};

message! {
    /// The log of the process.
    pub(crate) struct ApplicationLog: "envoy.config.bootstrap.v3.Bootstrap.ApplicationLogConfig" {
        log_format: Option<LogFormat>,
    }
}

message! {
    /// How its lines look.
    struct LogFormat: "envoy.config.bootstrap.v3.Bootstrap.ApplicationLogConfig.LogFormat" {
        oneof log_format: FormatKind,
    }
}

one_of! {
    /// The forms of a format.
    enum FormatKind {
        text_format => Text(String),
        json_format => Json(Spanned<Arc<Json>>),
    }
}

impl ApplicationLog {
    /// The pattern of its lines, if it says one; not beside one of the command line.
    pub(crate) fn pattern(
        &self,
        of_command_line: Option<&str>,
        ctx: &mut Ctx,
    ) -> Result<Option<String>, Refused> {
        let Some(format) = &self.log_format else {
            return Ok(None);
        };
        if of_command_line.is_some() {
            let text = "Only one of ApplicationLogConfig.log_format or CLI option --log-format can be specified.";
            ctx.error(format.span(), text);
            return Err(Refused);
        }
        Ok(Some(match &format.log_format {
            FormatKind::Text(pattern) => pattern.clone(),
            FormatKind::Json(json) => {
                let mut pattern = String::new();
                write(&json.value, &mut pattern);
                pattern
            }
        }))
    }
}

fn write(json: &Json, out: &mut String) {
    let mut between = "";
    match json {
        Json::Null => out.push_str("null"),
        Json::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Json::Number(number) => out.push_str(&number.to_string()),
        Json::String(text) => json_text::string(out, text),
        Json::List(items) => {
            out.push('[');
            for item in items {
                out.push_str(std::mem::replace(&mut between, ","));
                write(item, out);
            }
            out.push(']');
        }
        Json::Object(members) => {
            out.push('{');
            for (name, value) in members {
                out.push_str(std::mem::replace(&mut between, ","));
                json_text::string(out, name);
                out.push(':');
                write(value, out);
            }
            out.push('}');
        }
    }
}

#[cfg(test)]
mod tests {
    use nuncio_config::bootstrap::{Input, load};
    use nuncio_config::tree::Value;
    use nuncio_config::typed::decode;

    use super::*;

    fn pattern(format: &str, of_command_line: Option<&str>) -> Result<Option<String>, String> {
        let input = Input {
            yaml: Some(format!("application_log_config: {format}")),
            ..Input::default()
        };
        let tree = load(&input).expect("the bootstrap is sound").tree;
        let message = tree
            .find(&["application_log_config"])
            .and_then(Value::as_message);
        let mut ctx = Ctx::new(false);
        let message = message.expect("it is there");
        let config: ApplicationLog = decode(message, &mut ctx).expect("it is honoured");
        config
            .pattern(of_command_line, &mut ctx)
            .map_err(|Refused| nuncio_config::resources::first_error(&ctx.diagnostics))
    }

    #[test]
    fn a_text_is_a_pattern_and_json_one_of_its_members() {
        assert_eq!(pattern("{}", Some("%v")), Ok(None));
        let text = pattern("{log_format: {text_format: '[%l] %v'}}", None);
        assert_eq!(text, Ok(Some("[%l] %v".to_string())));
        let json = "{log_format: {json_format: {b: '%l', a: {m: '%j', n: [1, true, null]}}}}";
        let wanted = r#"{"b":"%l","a":{"m":"%j","n":[1,true,null]}}"#;
        assert_eq!(pattern(json, None), Ok(Some(wanted.to_string())));
    }

    #[test]
    fn there_is_no_second_format() {
        let refused = pattern("{log_format: {text_format: '%v'}}", Some("%v"));
        let why = refused.expect_err("the command line has one");
        assert!(why.starts_with("Only one of ApplicationLogConfig.log_format"));
    }
}
