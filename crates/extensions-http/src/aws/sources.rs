//! The services that credentials are fetched from: what they are asked and how their answers are read.
//!
//! A fetch may take 5 s and is tried again three times. Trust: addresses are the configuration's and the environment's;
//! an answer that cannot be read counts as a failure, and so does one whose parts cannot stand in headers or paths.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use nuncio_contract::calls::{CallAnswer, CallOptions, CallRetries, Calls, collect};
use nuncio_contract::cel::parse_timestamp;
use nuncio_contract::clock::{Clock, SystemClock};
use nuncio_contract::headers::{HeaderMap, HeaderName, Known, is_valid_value};
use nuncio_contract::regular_file;
use serde_json::Value;

use super::credentials::Credentials;
use super::fetched::{Fetched, NoCluster, ProviderStats};
use super::signer::{Payload, Signer};

const TIMEOUT: Duration = Duration::from_secs(5);
const TRIES_AGAIN: u32 = 3;
const RETRY_ON: &str = "5xx,gateway-error,connect-failure,reset,refused-stream";
/// The address of instances' metadata.
pub(crate) const INSTANCE_HOST: &str = "169.254.169.254";
const INSTANCE_TOKEN: &str = "/latest/api/token";
const INSTANCE_ROLES: &str = "/latest/meta-data/iam/security-credentials";
/// How long the token of instances' metadata counts.
const INSTANCE_TOKEN_SECONDS: &[u8] = b"21600";
/// Most bytes of a file with a token.
const TOKEN_LIMIT_BYTES: u64 = 64 << 10;
/// The largest answer of a service that is read; those of services have about 2 KiB.
const ANSWER_LIMIT_BYTES: usize = 64 << 10;

/// A token that is sent along.
#[derive(PartialEq, Eq)]
pub(crate) enum Token {
    None,
    Text(Box<str>),
    /// Read for each fetch.
    File(Box<str>),
}

/// A role at the token service.
pub(crate) struct Role {
    pub(crate) host: Box<str>,
    pub(crate) arn: Box<str>,
    pub(crate) session: Box<str>,
}

/// Where credentials are fetched from.
pub(crate) enum Source {
    /// The metadata of a container.
    Container {
        host: Box<str>,
        path: Box<str>,
        token: Token,
    },
    /// The metadata of an instance.
    Instance,
    /// The token service, for a token of somebody else's.
    WebIdentity { role: Role, token: Token },
    /// The token service, for other credentials.
    Role {
        role: Role,
        external_id: Box<str>,
        duration_seconds: Option<u64>,
        signer: Box<Signer>,
    },
}

/// What came of a fetch: none if it failed.
pub(crate) type Outcome = Result<Option<Fetched>, NoCluster>;

impl Source {
    /// Whether the same is fetched from there.
    pub(crate) fn is_same(&self, other: &Source) -> bool {
        match (self, other) {
            (Source::Instance, Source::Instance) => true,
            (
                Source::Container { host, path, token },
                Source::Container {
                    host: other_host,
                    path: other_path,
                    token: other_token,
                },
            ) => host == other_host && path == other_path && token == other_token,
            _ => false,
        }
    }

    /// Fetches once.
    pub(crate) async fn fetch(
        &self,
        cluster: &str,
        calls: &Calls,
        stats: &ProviderStats,
    ) -> Outcome {
        let via = Via {
            cluster,
            calls,
            stats,
            is_counted: Cell::new(false),
        };
        match self {
            Source::Container { host, path, token } => {
                let mut head = request(b"GET", host, path);
                let token = token.read();
                let Some(token) = header_value(token.as_bytes()) else {
                    return Ok(None);
                };
                head.set(Known::Authorization, token);
                Ok(via.ask(head).await?.and_then(|body| of_container(&body)))
            }
            Source::Instance => via.ask_instance().await,
            Source::WebIdentity { role, token } => {
                let path = format!(
                    "/?Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleSessionName={}&RoleArn={}&WebIdentityToken={}",
                    escaped(&role.session),
                    escaped(&role.arn),
                    escaped(&token.read())
                );
                let body = via.ask(role.request(&path)).await?;
                Ok(body.and_then(|body| of_token_service(&body, "AssumeRoleWithWebIdentity")))
            }
            Source::Role {
                role,
                external_id,
                duration_seconds,
                signer,
            } => {
                while let Some(settled) = signer.credentials.pending() {
                    settled.await;
                }
                let mut path = format!(
                    "/?Version=2011-06-15&Action=AssumeRole&RoleArn={}&RoleSessionName={}",
                    escaped(&role.arn),
                    escaped(&role.session)
                );
                if let Some(seconds) = duration_seconds {
                    path.push_str(&format!("&DurationSeconds={seconds}"));
                }
                if !external_id.is_empty() {
                    path.push_str(&format!("&ExternalId={}", escaped(external_id)));
                }
                let mut head = role.request(&path);
                signer.sign(&mut head, &Payload::Nothing, SystemClock.wall());
                let body = via.ask(head).await?;
                Ok(body.and_then(|body| of_token_service(&body, "AssumeRole")))
            }
        }
    }
}

impl Token {
    fn read(&self) -> String {
        match self {
            Token::None => String::new(),
            Token::Text(text) => text.to_string(),
            Token::File(path) => {
                let content = regular_file::read(&**path, TOKEN_LIMIT_BYTES);
                let content = content.map(|(_, content)| content).unwrap_or_default();
                String::from_utf8(content).unwrap_or_default()
            }
        }
    }
}

impl Role {
    fn request(&self, path: &str) -> HeaderMap {
        let mut head = request(b"GET", &self.host, path);
        head.set(Known::Scheme, b"https");
        head.set(Known::Accept, b"application/json");
        head
    }
}

/// How a service is asked.
struct Via<'a> {
    cluster: &'a str,
    calls: &'a Calls,
    stats: &'a ProviderStats,
    /// Whether this fetch was counted.
    is_counted: Cell<bool>,
}

impl Via<'_> {
    /// The body of the answer; none if it is not one to be had.
    async fn ask(&self, head: HeaderMap) -> Result<Option<Vec<u8>>, NoCluster> {
        let retries = CallRetries {
            retry_on: RETRY_ON.into(),
            num_retries: TRIES_AGAIN,
            back_off: None,
        };
        let options = CallOptions {
            timeout: Some(TIMEOUT),
            retries: Some(Arc::new(retries)),
            hides_address: true,
            ..CallOptions::default()
        };
        let call = self.calls.start(self.cluster, head, options);
        let mut call = call.ok_or(NoCluster)?;
        if !self.is_counted.replace(true) {
            self.stats.credential_refreshes_performed.inc();
        }
        call.send(&[], true);
        let answer = collect(call).await;
        let is_good = |answer: &CallAnswer| {
            let sizes = 1..=ANSWER_LIMIT_BYTES;
            matches!(answer.status(), 200 | 201) && sizes.contains(&answer.body.len())
        };
        Ok(answer.filter(is_good).map(|answer| answer.body))
    }

    /// The second version of the service, by a token, or the first one if there is no such token.
    async fn ask_instance(&self) -> Outcome {
        let name = |text| HeaderName::parse(text).unwrap_or(HeaderName::from(Known::Authorization));
        let mut head = request(b"PUT", INSTANCE_HOST, INSTANCE_TOKEN);
        let seconds = name("x-aws-ec2-metadata-token-ttl-seconds");
        head.replace(&seconds, INSTANCE_TOKEN_SECONDS);
        let token = self.ask(head).await?;
        if token.is_none() {
            self.stats.credential_refreshes_failed.inc();
        }
        let token = match token.as_deref().map(header_value) {
            Some(None) => return Ok(None),
            Some(token) => token,
            None => None,
        };
        let with_token = |path: &str| {
            let mut head = request(b"GET", INSTANCE_HOST, path);
            if let Some(token) = token {
                head.replace(&name("x-aws-ec2-metadata-token"), token);
            }
            head
        };
        let roles = self.ask(with_token(INSTANCE_ROLES)).await?;
        let roles = roles.unwrap_or_default();
        let Some(role) = role_of(&roles) else {
            return Ok(None);
        };
        let path = format!("{INSTANCE_ROLES}/{role}");
        let body = self.ask(with_token(&path)).await?;
        // They are fetched again after the usual time, whenever they are over.
        let fetched = body.and_then(|body| of_container(&body));
        Ok(fetched.map(|fetched| Fetched {
            expires: None,
            ..fetched
        }))
    }
}

fn request(method: &[u8], host: &str, path: &str) -> HeaderMap {
    let mut head = HeaderMap::request();
    head.set(Known::Method, method);
    head.set(Known::Authority, host.as_bytes());
    head.set(Known::Path, path.as_bytes());
    head
}

/// What headers can say, without the space around it.
fn header_value(bytes: &[u8]) -> Option<&[u8]> {
    Some(bytes.trim_ascii()).filter(|value| is_valid_value(value))
}

/// The first one of a list of roles, which becomes a part of a path.
fn role_of(roles: &[u8]) -> Option<&str> {
    let mut lines = roles.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let role = lines.find(|role| !role.is_empty())?;
    let is_fit = role.iter().all(u8::is_ascii_graphic);
    std::str::from_utf8(role).ok().filter(|_| is_fit)
}

/// What cannot be seen, and the escape itself.
fn escaped(text: &str) -> String {
    let escaped = text.bytes().map(|byte| match byte {
        b'%' | ..=b' ' | b'~'.. => format!("%{byte:02X}"),
        byte => char::from(byte).to_string(),
    });
    escaped.collect()
}

fn text<'v>(of: &'v Value, name: &str) -> &'v str {
    of.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// From the metadata of containers and instances.
fn of_container(body: &[u8]) -> Option<Fetched> {
    let of: Value = serde_json::from_slice(body).ok()?;
    of.as_object()?;
    let [id, secret, token] = ["AccessKeyId", "SecretAccessKey", "Token"].map(|it| text(&of, it));
    if !Credentials::fit_headers(id, token) {
        return None;
    }
    Some(Fetched {
        credentials: Credentials::new(id, secret, Some(token)),
        expires: time(text(&of, "Expiration")),
    })
}

/// From the token service, which has more around it.
fn of_token_service(body: &[u8], action: &str) -> Option<Fetched> {
    let of: Value = serde_json::from_slice(body).ok()?;
    let of = of.get(format!("{action}Response"))?;
    let of = of.get(format!("{action}Result"))?.get("Credentials")?;
    let token = Some(text(of, "SessionToken")).filter(|token| !token.is_empty())?;
    let (id, secret) = (text(of, "AccessKeyId"), text(of, "SecretAccessKey"));
    let seconds = of.get("Expiration").and_then(Value::as_f64);
    let end = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let end = end.filter(|end| !end.is_zero());
    Some(Fetched {
        credentials: Some(Credentials::new(id, secret, Some(token))?),
        expires: end.and_then(|end| SystemTime::UNIX_EPOCH.checked_add(end)),
    })
}

/// `2030-01-01T00:00:00Z`.
fn time(text: &str) -> Option<SystemTime> {
    let nanoseconds = u64::try_from(parse_timestamp(text.as_bytes())?).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_nanos(nanoseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(fetched: Option<Fetched>) -> String {
        let Some(Fetched {
            credentials,
            expires,
        }) = fetched
        else {
            return "failed".to_owned();
        };
        let credentials = credentials.map(|it| {
            let token = it.session_token.unwrap_or_default();
            format!("{} {} {token}", it.access_key_id, it.secret_access_key)
        });
        let expires = expires.and_then(|end| end.duration_since(SystemTime::UNIX_EPOCH).ok());
        format!("{credentials:?} {:?}", expires.map(|end| end.as_secs()))
    }

    #[test]
    fn metadata_of_containers_is_read() {
        let read = |text: &str| shown(of_container(text.as_bytes()));
        let whole = r#"{"AccessKeyId":"a","SecretAccessKey":"s","Token":"t","Expiration":"2030-01-01T00:00:00Z"}"#;
        assert_eq!(read(whole), "Some(\"a s t\") Some(1893456000)");
        let odd = r#"{"AccessKeyId":"a","SecretAccessKey":"s","Expiration":"20300101T000000Z"}"#;
        assert_eq!(read(odd), "Some(\"a s \") None");
        assert_eq!(read("{}"), "None None");
        assert_eq!(read("[]"), "failed");
        assert_eq!(read("nothing"), "failed");
    }

    #[test]
    fn what_services_say_does_not_end_up_as_further_headers() {
        for (id, token) in [("a\\r\\nx: y", "t"), ("a", "t\\nx: y"), ("a", "\\u0000")] {
            let text = format!(
                r#"{{"AccessKeyId":"{id}","SecretAccessKey":"s","Token":"{token}","SessionToken":"{token}"}}"#
            );
            assert_eq!(shown(of_container(text.as_bytes())), "failed", "{text}");
            let text = format!(
                r#"{{"AssumeRoleResponse":{{"AssumeRoleResult":{{"Credentials":{text}}}}}}}"#
            );
            let of_role = of_token_service(text.as_bytes(), "AssumeRole");
            assert_eq!(shown(of_role), "failed", "{text}");
        }
        assert_eq!(header_value(b" tok\r\n"), Some(&b"tok"[..]));
        assert_eq!(header_value(b"tok\r\nx: y"), None);
        assert_eq!(role_of(b"\n role \nother"), Some("role"));
        for role in [&b"a b"[..], b"a\rb", b"\xc3\xa9", b"", b"\n"] {
            assert_eq!(role_of(role), None, "{role:?}");
        }
    }

    #[test]
    fn answers_of_the_token_service_are_read() {
        let read = |credentials: &str| {
            let text = format!(
                r#"{{"AssumeRoleResponse":{{"AssumeRoleResult":{{"Credentials":{credentials}}}}}}}"#
            );
            shown(of_token_service(text.as_bytes(), "AssumeRole"))
        };
        let whole = r#"{"AccessKeyId":"a","SecretAccessKey":"s","SessionToken":"t","Expiration":1.893456E9}"#;
        assert_eq!(read(whole), "Some(\"a s t\") Some(1893456000)");
        let endless =
            r#"{"AccessKeyId":"a","SecretAccessKey":"s","SessionToken":"t","Expiration":0}"#;
        assert_eq!(read(endless), "Some(\"a s t\") None");
        let no_token = r#"{"AccessKeyId":"a","SecretAccessKey":"s"}"#;
        assert_eq!(read(no_token), "failed");
        assert_eq!(read("{}"), "failed");
        assert_eq!(shown(of_token_service(b"{}", "AssumeRole")), "failed");
    }
}
