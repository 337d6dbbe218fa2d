//! Bytes that the config keeps elsewhere: read once, at load.

use nuncio_config::typed::{Ctx, Refused};

use crate::config::route::{DataSource, DataSourceSpecifier};

/// The bytes, or a diagnostic. Envoy's words: "file F size is N bytes; maximum is M".
pub(super) fn read(
    source: &DataSource,
    limit_bytes: usize,
    ctx: &mut Ctx,
) -> Result<Vec<u8>, Refused> {
    let bytes = match &source.specifier {
        DataSourceSpecifier::InlineString(text) => text.clone().into_bytes(),
        DataSourceSpecifier::InlineBytes(bytes) => bytes.clone(),
        DataSourceSpecifier::Filename(path) => {
            let most = u64::try_from(limit_bytes).unwrap_or(u64::MAX);
            let most = most.saturating_add(1);
            ctx.read_file(&path.value, most).map_err(|error| {
                ctx.error(path.span, format!("file {} does not exist", path.value))
                    .note(error.to_string());
                Refused
            })?
        }
        DataSourceSpecifier::EnvironmentVariable(name) => match std::env::var(&name.value) {
            Ok(value) => value.into_bytes(),
            Err(_) => {
                ctx.error(
                    name.span,
                    format!("Environment variable doesn't exist: {}", name.value),
                );
                return Err(Refused);
            }
        },
    };
    if bytes.len() > limit_bytes {
        ctx.error(
            source.span(),
            format!(
                "response body size is {} bytes; maximum is {limit_bytes}",
                bytes.len()
            ),
        );
        return Err(Refused);
    }
    Ok(bytes)
}
