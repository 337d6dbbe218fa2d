//! Where credentials come from: the configuration, the environment, a file, or services that are asked.
//!
//! The default chain is Envoy's: environment, file, the token service with a token of somebody else's, a container's
//! metadata, an instance's; what is configured changes it, or with `custom_credential_provider_chain` is all of it.
//! What is behind credentials that are at hand is not asked.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use nuncio_config::message;
use nuncio_config::span::Span;
use nuncio_config::typed::{Background, Ctx, ManagedCluster, Refused, Spanned};
use nuncio_contract::clock::{Clock, SystemClock};
use nuncio_contract::data_source::DataSource;
use nuncio_contract::headers::is_valid_value;

use super::asymmetric::Key;
use super::canonical::Choice;
use super::chain::{Chain, Link};
use super::endpoints;
use super::fetched::Provider;
use super::signer::{Names, Signer};
use super::sources::{Role, Source, Token};
use super::watched::WatchedFile;

/// Most bytes of the file of credentials of the one who runs the proxy, and of tokens.
const LIMIT_BYTES: usize = 1 << 20;
/// Most bytes of a file of credentials that is configured, as in Envoy.
pub(super) const FILE_LIMIT_BYTES: usize = 4096;

message! {
    /// Where they come from.
    pub(crate) struct AwsCredentialProvider: "envoy.extensions.common.aws.v3.AwsCredentialProvider" {
        inline_credential: Option<InlineCredential>,
        credentials_file_provider: Option<CredentialsFile>,
        custom_credential_provider_chain: bool,
        environment_credential_provider: Option<Environment>,
        assume_role_with_web_identity_provider: Option<WebIdentity>,
        container_credential_provider: Option<Container>,
        instance_profile_credential_provider: Option<InstanceProfile>,
        assume_role_credential_provider: Option<AssumeRole>,
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

message! {
    /// From the token service, for a token of somebody else's.
    struct WebIdentity: "envoy.extensions.common.aws.v3.AssumeRoleWithWebIdentityCredentialProvider" {
        web_identity_token_data_source: Option<DataSource>,
        role_arn: String,
        role_session_name: String,
    }
}

message! {
    /// From a container's metadata.
    struct Container: "envoy.extensions.common.aws.v3.ContainerCredentialProvider" {}
}

message! {
    /// From an instance's metadata.
    struct InstanceProfile: "envoy.extensions.common.aws.v3.InstanceProfileCredentialProvider" {}
}

message! {
    /// From the token service, for other credentials.
    struct AssumeRole: "envoy.extensions.common.aws.v3.AssumeRoleCredentialProvider" {
        role_arn: String,
        role_session_name: String,
        external_id: String,
        session_duration: Option<Duration>,
        credential_provider: Option<SourceProvider>,
    }
}

message! {
    /// Where the credentials come from that a role is assumed with.
    struct SourceProvider: "envoy.extensions.common.aws.v3.AwsCredentialProvider" {
        inline_credential: Option<InlineCredential>,
        credentials_file_provider: Option<CredentialsFile>,
        custom_credential_provider_chain: bool,
        environment_credential_provider: Option<Environment>,
        assume_role_with_web_identity_provider: Option<WebIdentity>,
        container_credential_provider: Option<Container>,
        instance_profile_credential_provider: Option<InstanceProfile>,
    }
}

/// Who signs.
pub(crate) struct Credentials {
    pub(crate) access_key_id: Box<str>,
    pub(crate) secret_access_key: Box<str>,
    pub(crate) session_token: Option<Box<str>>,
    /// That of signatures of version 4A, once one was made.
    asymmetric: OnceLock<Option<Key>>,
}

impl Credentials {
    /// None where they are empty, or cannot stand in headers.
    pub(crate) fn new(id: &str, secret: &str, token: Option<&str>) -> Option<Self> {
        let token = token.filter(|token| !token.is_empty());
        let is_whole = !id.is_empty() && !secret.is_empty();
        (is_whole && Self::fit_headers(id, token.unwrap_or_default())).then(|| Credentials {
            access_key_id: id.into(),
            secret_access_key: secret.into(),
            session_token: token.map(Into::into),
            asymmetric: OnceLock::new(),
        })
    }

    /// Whether headers can say them.
    pub(crate) fn fit_headers(id: &str, token: &str) -> bool {
        is_valid_value(id.as_bytes()) && is_valid_value(token.as_bytes())
    }

    /// Those that a configuration says.
    ///
    /// # Errors
    /// [`Refused`] when headers cannot say them, or they are empty.
    pub(crate) fn of_message(
        (id, secret, token): (&str, &str, &str),
        span: Span,
        ctx: &mut Ctx,
    ) -> Result<Self, Refused> {
        if !Self::fit_headers(id, token) {
            let what = "`access_key_id` and `session_token` with control characters";
            return Err(ctx.unsupported_here(span, what));
        }
        Self::new(id, secret, Some(token)).ok_or(Refused)
    }

    /// The key of signatures of version 4A.
    pub(crate) fn asymmetric(&self) -> Option<&Key> {
        let derive = || Key::derive(&self.access_key_id, &self.secret_access_key);
        self.asymmetric.get_or_init(derive).as_ref()
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

/// What both kinds of messages say, borrowed.
#[derive(Default)]
struct Asked<'m> {
    is_custom: bool,
    inline: Option<&'m InlineCredential>,
    asks_environment: bool,
    file: Option<&'m CredentialsFile>,
    role: Option<&'m AssumeRole>,
    identity: Option<&'m WebIdentity>,
    asks_container: bool,
    asks_instance: bool,
}

impl AwsCredentialProvider {
    fn asked(&self) -> Asked<'_> {
        Asked {
            is_custom: self.custom_credential_provider_chain,
            inline: self.inline_credential.as_ref(),
            asks_environment: self.environment_credential_provider.is_some(),
            file: self.credentials_file_provider.as_ref(),
            role: self.assume_role_credential_provider.as_ref(),
            identity: self.assume_role_with_web_identity_provider.as_ref(),
            asks_container: self.container_credential_provider.is_some(),
            asks_instance: self.instance_profile_credential_provider.is_some(),
        }
    }
}

impl SourceProvider {
    fn asked(&self) -> Asked<'_> {
        Asked {
            is_custom: self.custom_credential_provider_chain,
            inline: self.inline_credential.as_ref(),
            asks_environment: self.environment_credential_provider.is_some(),
            file: self.credentials_file_provider.as_ref(),
            role: None,
            identity: self.assume_role_with_web_identity_provider.as_ref(),
            asks_container: self.container_credential_provider.is_some(),
            asks_instance: self.instance_profile_credential_provider.is_some(),
        }
    }
}

/// The chain that a configuration asks for.
///
/// # Errors
/// [`Refused`] when it cannot be.
pub(crate) fn find(
    provider: Option<&AwsCredentialProvider>,
    regions: &str,
    ctx: &mut Ctx,
) -> Result<Chain, Refused> {
    let Some(provider) = provider else {
        return Asked::default().chain(regions, ctx);
    };
    let asked = provider.asked();
    // Of those of this message that are not supported it has been said already.
    let has_others = {
        let here = provider.span();
        let mut said = ctx.diagnostics.iter();
        said.any(|one| {
            here.contains(one.span) && one.message.contains("v3.AwsCredentialProvider` is not")
        })
    };
    if asked.is_empty() && !has_others {
        let text = "Custom credential provider chain must have at least one credential provider";
        ctx.error(provider.span(), text);
        return Err(Refused);
    }
    asked.chain(regions, ctx)
}

impl Asked<'_> {
    fn is_empty(&self) -> bool {
        let has_one = self.inline.is_some()
            || self.asks_environment
            || self.file.is_some()
            || self.role.is_some()
            || self.identity.is_some()
            || self.asks_container
            || self.asks_instance;
        self.is_custom && !has_one
    }

    fn chain(&self, regions: &str, ctx: &mut Ctx) -> Result<Chain, Refused> {
        if let Some(inline) = self.inline {
            let (id, secret) = (&inline.access_key_id, &inline.secret_access_key);
            let said = (id.as_str(), secret.as_str(), inline.session_token.as_str());
            return Credentials::of_message(said, inline.span(), ctx).map(Chain::fixed);
        }
        if (!self.is_custom || self.asks_environment)
            && let Some(found) = Credentials::of_environment()
        {
            return Ok(Chain::fixed(found));
        }
        let mut links = Vec::new();
        if !self.is_custom || self.file.is_some() {
            match of_file(self.file, ctx) {
                Some(Link::Fixed(found)) => return Ok(Chain::new(vec![Link::Fixed(found)])),
                found => links.extend(found),
            }
        }
        // As in Envoy, a chain that is not of one's own has none.
        if let Some(role) = self.role.filter(|_| self.is_custom) {
            links.push(of_role(role, regions, ctx)?);
        }
        if !self.is_custom || self.identity.is_some() {
            links.extend(of_identity(self.identity, regions, ctx)?);
        }
        if !self.is_custom || self.asks_container {
            links.extend(of_container(ctx)?);
        }
        let is_disabled = variable("AWS_EC2_METADATA_DISABLED").as_deref() == Some("true");
        if (!self.is_custom || self.asks_instance) && !is_disabled {
            let provider = Provider::shared(endpoints::INSTANCE_CLUSTER, Source::Instance);
            links.push(fetched(provider, endpoints::of_instance(), ctx)?);
        }
        Ok(Chain::new(links))
    }
}

/// Has the cluster made and credentials fetched over it.
fn fetched(
    provider: Arc<Provider>,
    cluster: ManagedCluster,
    ctx: &mut Ctx,
) -> Result<Link, Refused> {
    if !ctx.channels.manage(cluster) {
        let what = "so many different services for credentials of AWS";
        return Err(ctx.unsupported_here(Span::NONE, what));
    }
    let task = Arc::clone(&provider) as Arc<dyn Background>;
    ctx.channels.go_on(&task);
    Ok(Link::Fetched(provider))
}

fn of_role(message: &AssumeRole, regions: &str, ctx: &mut Ctx) -> Result<Link, Refused> {
    let source = message.credential_provider.as_ref();
    let source = source.map_or_else(Asked::default, SourceProvider::asked);
    let signer = Signer {
        service: "sts".into(),
        region: regions.into(),
        credentials: source.chain(regions, ctx)?,
        choice: Choice::default(),
        in_query: None,
        is_asymmetric: false,
        names: Names::default(),
    };
    let (cluster, host) = endpoints::of_token_service(regions);
    let source = Source::Role {
        role: Role {
            host,
            arn: message.role_arn.as_str().into(),
            session: session(&message.role_session_name),
        },
        external_id: message.external_id.as_str().into(),
        duration_seconds: message.session_duration.map(|duration| duration.as_secs()),
        signer: Box::new(signer),
    };
    fetched(Provider::new(&cluster.name, source), cluster, ctx)
}

fn of_identity(
    message: Option<&WebIdentity>,
    regions: &str,
    ctx: &mut Ctx,
) -> Result<Option<Link>, Refused> {
    let source = message.and_then(|it| it.web_identity_token_data_source.as_ref());
    let token = match source {
        None => variable("AWS_WEB_IDENTITY_TOKEN_FILE").map(|path| Token::File(path.into())),
        Some(source) => match source.filename() {
            Some(path) => Some(Token::File(path.into())),
            None => {
                let text = source.read_quietly(LIMIT_BYTES, ctx);
                text.and_then(|text| String::from_utf8(text).ok())
                    .map(|text| Token::Text(text.into()))
            }
        },
    };
    let arn = message.map(|it| it.role_arn.clone());
    let arn = arn.filter(|arn| !arn.is_empty());
    let arn = arn.or_else(|| variable("AWS_ROLE_ARN"));
    let (Some(token), Some(arn)) = (token, arn) else {
        return Ok(None);
    };
    let (cluster, host) = endpoints::of_token_service(regions);
    let role = Role {
        host,
        arn: arn.into(),
        session: session(message.map_or("", |it| &it.role_session_name)),
    };
    let source = Source::WebIdentity { role, token };
    fetched(Provider::new(&cluster.name, source), cluster, ctx).map(Some)
}

/// The name of a session; the time of now where there is none.
fn session(own: &str) -> Box<str> {
    if !own.is_empty() {
        return own.into();
    }
    let variable = variable("AWS_ROLE_SESSION_NAME");
    let since = SystemClock.wall().duration_since(SystemTime::UNIX_EPOCH);
    let since = since.unwrap_or_default().as_nanos();
    variable.unwrap_or_else(|| since.to_string()).into()
}

fn of_container(ctx: &mut Ctx) -> Result<Option<Link>, Refused> {
    let relative = variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    let relative = relative.map(|path| format!("{}{path}", endpoints::CONTAINER_HOST));
    let is_relative = relative.is_some();
    let Some(uri) = relative.or_else(|| variable("AWS_CONTAINER_CREDENTIALS_FULL_URI")) else {
        return Ok(None);
    };
    let Some((cluster, host, path)) = endpoints::of_container(&uri) else {
        // The rest of it may hold secrets.
        let text = "AWS_CONTAINER_CREDENTIALS_FULL_URI has no address in the place of its host";
        ctx.error(Span::NONE, text);
        return Err(Refused);
    };
    let token = variable("AWS_CONTAINER_AUTHORIZATION_TOKEN").filter(|_| !is_relative);
    let file = variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    let token = match (token, file) {
        (Some(token), _) => Token::Text(token.into()),
        (None, Some(path)) => Token::File(path.into()),
        (None, None) => Token::None,
    };
    let source = Source::Container { host, path, token };
    fetched(Provider::shared(&cluster.name, source), cluster, ctx).map(Some)
}

/// Those of a file, if there are any, or if there may be later. As in Envoy, the file of the one who runs the proxy takes
/// the place of one that cannot be read.
fn of_file(file: Option<&CredentialsFile>, ctx: &mut Ctx) -> Option<Link> {
    let own = file.map(|file| file.profile.clone());
    let own = own.filter(|profile| !profile.is_empty());
    let profile = own.or_else(|| variable("AWS_PROFILE"));
    let profile = profile.unwrap_or_else(|| "default".to_owned());
    let source = file.and_then(|file| file.credentials_data_source.as_ref());
    let Some(source) = source else {
        return of_text(&default_file(ctx), &profile);
    };
    match source.read_quietly(FILE_LIMIT_BYTES, ctx) {
        Some(text) => match source.watched_file() {
            Some(path) => Some(Link::Watched(WatchedFile::new(path, &profile, &text))),
            None => of_text(&String::from_utf8_lossy(&text), &profile),
        },
        None => {
            let text = "there are no credentials in `credentials_data_source`, those of the default file are taken";
            ctx.warning(source.span(), text);
            of_text(&default_file(ctx), &profile)
        }
    }
}

fn of_text(text: &str, profile: &str) -> Option<Link> {
    let found = Credentials::of_profile(text, profile)?;
    Some(Link::Fixed(Arc::new(found)))
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
