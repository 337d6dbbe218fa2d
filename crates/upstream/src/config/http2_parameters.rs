//! `custom_settings_parameters`: settings of HTTP/2 that the peer is told as they are.
//!
//! They go before those of the fields with names, which the peer takes after them and so are the ones that hold, as in Envoy.

use nuncio_codec::http2::Http2Settings;
use nuncio_config::typed::{Ctx, Refused};

use super::http2_options::SettingsParameter;

const ENABLE_PUSH: u32 = 2;
const ENABLE_CONNECT_PROTOCOL: u32 = 8;

/// Reports what Envoy refuses, the first of it; `named` are the fields by their numbers.
pub(super) fn check(
    parameters: &[SettingsParameter],
    named: [(u32, &str, Option<u32>); 3],
    ctx: &mut Ctx,
) -> Result<(), Refused> {
    let Some(first) = parameters.first() else {
        return Ok(());
    };
    let pairs: Vec<_> = parameters.iter().map(|it| (id(it), value(it))).collect();
    let text = wrong(&pairs, named);
    match text {
        None => Ok(()),
        Some(text) => {
            ctx.error(first.span(), text);
            Err(Refused)
        }
    }
}

fn wrong(parameters: &[(u32, u32)], named: [(u32, &str, Option<u32>); 3]) -> Option<String> {
    let pairs = || parameters.iter().copied();
    let mut unequal = Vec::new();
    for (place, (id, value)) in pairs().enumerate() {
        match id {
            ENABLE_PUSH if value == 1 => {
                return Some("server push is not supported by Envoy and can not be enabled via a SETTINGS parameter.".into());
            }
            ENABLE_CONNECT_PROTOCOL => {
                return Some("the \"allow_connect\" SETTINGS parameter must only be configured through the named field".into());
            }
            _ => {}
        }
        let mut before = pairs().take(place);
        if before
            .find(|one| one.0 == id)
            .is_some_and(|one| one.1 != value)
        {
            unequal.push(format!("0x{id:02x}"));
        }
    }
    if !unequal.is_empty() {
        return Some(format!(
            "inconsistent HTTP/2 custom SETTINGS parameter(s) detected; identifiers = {{{}}}",
            unequal.join(",")
        ));
    }
    let both = named
        .iter()
        .filter(|(number, _, field)| field.is_some() && pairs().any(|(id, _)| id == *number));
    let both: Vec<_> = both.map(|(_, name, _)| *name).collect();
    (!both.is_empty()).then(|| {
        format!(
            "the {{{}}} HTTP/2 SETTINGS parameter(s) can not be configured through both named and custom parameters",
            both.join(",")
        )
    })
}

/// Puts them into `settings`.
pub(super) fn apply(parameters: &[SettingsParameter], settings: &mut Http2Settings) {
    let mut custom: Vec<(u16, u32)> = Vec::new();
    for parameter in parameters {
        let value = value(parameter);
        if let Ok(id) = u16::try_from(id(parameter))
            && custom.iter().all(|one| one.0 != id)
        {
            custom.push((id, value));
        }
    }
    settings.custom_parameters = custom.into();
}

fn id(parameter: &SettingsParameter) -> u32 {
    parameter.identifier.unwrap_or_default()
}

fn value(parameter: &SettingsParameter) -> u32 {
    parameter.value.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(parameters: &[(u32, u32)], hpack_table_size: Option<u32>) -> String {
        let named = [
            (1, "hpack_table_size", hpack_table_size),
            (3, "max_concurrent_streams", Some(5)),
            (4, "initial_stream_window_size", None),
        ];
        wrong(parameters, named).unwrap_or_default()
    }

    #[test]
    fn what_contradicts_itself_or_a_field_with_a_name_is_refused_in_envoys_words() {
        let sound = [(9, 5), (9, 5), (2, 0), (4, 1), (1, 7)];
        assert_eq!(said(&sound, None), "");
        assert_eq!(
            said(&[(9, 5), (9, 6), (10, 5), (10, 6), (9, 7)], None),
            "inconsistent HTTP/2 custom SETTINGS parameter(s) detected; identifiers = {0x09,0x0a,0x09}"
        );
        assert_eq!(
            said(&[(3, 5), (1, 7)], Some(7)),
            "the {hpack_table_size,max_concurrent_streams} HTTP/2 SETTINGS parameter(s) can not be configured through both named and custom parameters"
        );
        assert!(said(&[(2, 1)], None).starts_with("server push is not supported"));
        assert!(said(&[(8, 0)], None).contains("\"allow_connect\""));
    }
}
