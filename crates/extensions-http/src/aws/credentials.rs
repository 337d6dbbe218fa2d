//! Where credentials come from.

use nuncio_config::message;
use nuncio_config::typed::{Ctx, Refused, Spanned};
use nuncio_contract::data_source::DataSource;

/// Most bytes of a file of credentials.
const LIMIT_BYTES: usize = 1 << 20;

message! {
    /// Where they come from.
    pub(crate) struct AwsCredentialProvider: "envoy.extensions.common.aws.v3.AwsCredentialProvider" {
        inline_credential: Option<InlineCredential>,
        credentials_file_provider: Option<CredentialsFile>,
        custom_credential_provider_chain: bool,
        environment_credential_provider: Option<Environment>,
    }
}

message! {
    /// From the configuration.
    struct InlineCredential: "envoy.extensions.common.aws.v3.InlineCredentialProvider" {
        access_key_id: String,
        secret_access_key: String,
        session_token: String,
    }
}

message! {
    /// From a file.
    struct CredentialsFile: "envoy.extensions.common.aws.v3.CredentialsFileCredentialProvider" {
        credentials_data_source: Option<DataSource>,
        profile: String,
    }
}

message! {
    /// From the environment.
    struct Environment: "envoy.extensions.common.aws.v3.EnvironmentCredentialProvider" {}
}

/// Who signs.
pub(crate) struct Credentials {
    pub(crate) access_key_id: Box<str>,
    pub(crate) secret_access_key: Box<str>,
    pub(crate) session_token: Option<Box<str>>,
}

impl Credentials {
    /// Those of a configuration; none where they are empty.
    pub(crate) fn new(id: &str, secret: &str, token: Option<&str>) -> Option<Self> {
        let token = token.filter(|token| !token.is_empty());
        (!id.is_empty() && !secret.is_empty()).then(|| Credentials {
            access_key_id: id.into(),
            secret_access_key: secret.into(),
            session_token: token.map(Into::into),
        })
    }

    fn of_environment() -> Option<Self> {
        let [id, secret, token] = [
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
        ]
        .map(variable);
        Self::new(&id?, &secret?, token.as_deref())
    }

    /// Those of a profile in the text of a file.
    pub(crate) fn of_profile(text: &str, profile: &str) -> Option<Self> {
        let mut is_it = false;
        let [mut id, mut secret, mut token] = [""; 3];
        for line in text.lines().map(str::trim) {
            if let Some(name) = line
                .strip_prefix('[')
                .and_then(|rest| rest.strip_suffix(']'))
            {
                is_it = name.trim() == profile;
            } else if let Some((key, value)) = line.split_once('=').filter(|_| is_it) {
                match key.trim().to_ascii_lowercase().as_str() {
                    "aws_access_key_id" => id = value.trim(),
                    "aws_secret_access_key" => secret = value.trim(),
                    "aws_session_token" => token = value.trim(),
                    _ => {}
                }
            }
        }
        Self::new(id, secret, Some(token))
    }
}

/// A variable of the environment; an empty one is as good as none.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Those of a profile in the file of the one who runs the proxy.
///
/// # Errors
/// [`Refused`] when there are none.
pub(crate) fn of_named_profile(
    profile: &Spanned<String>,
    ctx: &mut Ctx,
) -> Result<Credentials, Refused> {
    let text = default_file(ctx);
    Credentials::of_profile(&text, &profile.value).ok_or_else(|| {
        let what = format!(
            "to sign without credentials of the profile `{}`",
            profile.value
        );
        ctx.unsupported_here(profile.span, what)
    })
}

/// The credentials of now.
///
/// # Errors
/// [`Refused`] when there are none, or they would have to be fetched.
pub(crate) fn find(
    provider: Option<&AwsCredentialProvider>,
    ctx: &mut Ctx,
) -> Result<Credentials, Refused> {
    let inline = provider.and_then(|it| it.inline_credential.as_ref());
    if let Some(inline) = inline {
        let (id, secret) = (&inline.access_key_id, &inline.secret_access_key);
        let token = Some(inline.session_token.as_str());
        return Credentials::new(id, secret, token).ok_or(Refused);
    }
    let is_custom = provider.is_some_and(|it| it.custom_credential_provider_chain);
    let file = provider.and_then(|it| it.credentials_file_provider.as_ref());
    let asks_environment = provider.is_some_and(|it| it.environment_credential_provider.is_some());
    let span = provider.map_or(nuncio_config::span::Span::NONE, AwsCredentialProvider::span);
    // Of those that are not supported it has been said already.
    let has_others = {
        let mut said = ctx.diagnostics.iter();
        said.any(|one| one.message.contains("v3.AwsCredentialProvider` is not"))
    };
    if is_custom && file.is_none() && !asks_environment && !has_others {
        let text = "Custom credential provider chain must have at least one credential provider";
        ctx.error(span, text);
        return Err(Refused);
    }
    if (!is_custom || asks_environment)
        && let Some(found) = Credentials::of_environment()
    {
        return Ok(found);
    }
    if (!is_custom || file.is_some())
        && let Some(found) = of_file(file, ctx)?
    {
        return Ok(found);
    }
    let what = "to sign with credentials that are in no configuration, environment or file";
    Err(ctx.unsupported_here(span, what))
}

fn of_file(file: Option<&CredentialsFile>, ctx: &mut Ctx) -> Result<Option<Credentials>, Refused> {
    let source = file.and_then(|file| file.credentials_data_source.as_ref());
    let text = match source {
        Some(source) => source.read_text(LIMIT_BYTES, ctx)?,
        None => default_file(ctx),
    };
    let own = file.map(|file| file.profile.clone());
    let own = own.filter(|profile| !profile.is_empty());
    let profile = own.or_else(|| variable("AWS_PROFILE"));
    let profile = profile.unwrap_or_else(|| "default".to_owned());
    Ok(Credentials::of_profile(&text, &profile))
}

/// The file of the one who runs the proxy; empty if there is none.
fn default_file(ctx: &mut Ctx) -> String {
    let own = variable("AWS_SHARED_CREDENTIALS_FILE");
    let path = own.or_else(|| variable("HOME").map(|home| format!("{home}/.aws/credentials")));
    let limit_bytes = u64::try_from(LIMIT_BYTES).unwrap_or(u64::MAX);
    let text = path.and_then(|path| ctx.read_file(&path, limit_bytes).ok());
    text.and_then(|text| String::from_utf8(text).ok())
        .unwrap_or_default()
}
