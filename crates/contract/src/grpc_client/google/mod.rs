//! `google_grpc`: a service of gRPC that is said by itself, with its credentials, not by a cluster.
//!
//! Envoy has another client of gRPC for these; here a cluster is made for each channel, which only the calls to it see
//! ([`nuncio_config::typed::Channels`]): it is in no statistics and no dump, and resolves, balances and connects as
//! clusters do. `grpc.<stat_prefix>.` counts streams as Envoy counts them.
//!
//! Honoured: targets of [`place`], TLS with authorities (or those of the machine), a key and certificates, no encryption,
//! tokens and secrets of files for calls, and of `channel_args` authority, agent, name of the server, longest message and
//! keepalive. Refused: credentials that ask others
//! (`google_default`, `sts_service` and so on), other arguments, and `local_credentials` but over unix domain sockets,
//! which cannot connect in Envoy either. As in gRPC a call with credentials of its own fails where nothing is
//! encrypted. Different from Envoy: files of certificates are read with the configuration, so that one that is missing refuses it;
//! addresses of one target are taken in turn; `grpc-accept-encoding` says `identity`, since nothing else is understood;
//! `user-agent` says who this is.

mod credentials;
mod messages;
mod place;
mod timeout;

use std::sync::Arc;
use std::time::Duration;

use nuncio_config::span::Span;
use nuncio_config::typed::{
    ChannelPlace, ChannelTls, ChannelWish, Ctx, FromValue, MOST_CHANNELS, Refused, SupportTable,
};

use self::credentials::Proof;
pub use self::messages::GoogleGrpc;
use self::messages::{ArgKind, ChannelCredentialKind, FileBasedMetadata, SslCredentials};
use self::place::Target;
use crate::data_source::DataSource;
use crate::hash::xxh64;
use crate::headers::{HeaderMap, HeaderName, Known};

/// The largest file of certificates or secrets.
const MOST_BYTES: usize = 4 << 20;
/// The credentials' factories of Envoy, by name.
const DEFAULT_FACTORY: &str = "envoy.grpc_credentials.default";
const FILE_FACTORY: &str = "envoy.grpc_credentials.file_based_metadata";
/// Arguments that change nothing here.
const INERT_ARGUMENTS: [&str; 4] = [
    "grpc.http2.max_pings_without_data",
    "grpc.keepalive_permit_without_calls",
    "grpc.use_local_subchannel_pool",
    "grpc.enable_retries",
];
/// How long the answer to a question whether a connection lives may take, as in gRPC.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// Where machines keep the authorities that they trust.
const MACHINE_ROOTS: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// A channel, compiled, but for where it goes.
#[derive(Clone, Debug)]
pub(super) struct GoogleChannel {
    /// `stat_prefix`.
    pub(super) name: Box<str>,
    /// Where its statistics are, `grpc.<stat_prefix>` of some scope.
    pub(super) stats: Box<str>,
    /// The cluster that is made for it.
    pub(super) cluster: Box<str>,
    /// Where it goes, as the configuration says it.
    pub(super) uri: Box<str>,
    pub(super) authority: Box<str>,
    pub(super) max_message_bytes: Option<usize>,
    user_agent: Box<str>,
    scheme: &'static [u8],
    /// What calls prove, as headers.
    proofs: Arc<[Proof]>,
    /// Calls prove something and nothing is encrypted, so that none is made.
    pub(super) is_exposed: bool,
}

/// What arguments say.
#[derive(Debug, Default)]
struct Arguments {
    authority: Option<Box<str>>,
    user_agent: Option<Box<str>>,
    server_name: Option<Box<str>>,
    max_message_bytes: Option<usize>,
    keepalive: Option<Duration>,
    keepalive_timeout: Option<Duration>,
}

/// Adds the messages that stand behind an `Any`.
pub fn support(table: &mut SupportTable) {
    FileBasedMetadata::support(table);
}

impl GoogleGrpc {
    /// The channel, which is wished for.
    ///
    /// # Errors
    /// [`Refused`] when it cannot be had.
    pub(super) fn compile(&self, ctx: &mut Ctx) -> Result<GoogleChannel, Refused> {
        let uri = &self.target_uri;
        let target = Target::parse(&uri.value).ok_or_else(|| {
            ctx.unsupported_here(uri.span, format_args!("target `{}`", uri.value))
        })?;
        let arguments = self.arguments(ctx)?;
        let tls = self.tls(&target, &arguments, ctx)?;
        let proofs = self.proofs(ctx)?;
        let is_encrypted = tls.is_some() || matches!(target.place, ChannelPlace::Path(_));
        let authority = arguments.authority.unwrap_or(target.authority);
        let scheme: &[u8] = if tls.is_some() { b"https" } else { b"http" };
        let keepalive = arguments.keepalive.map(|interval| {
            let timeout = arguments.keepalive_timeout.unwrap_or(KEEPALIVE_TIMEOUT);
            (interval, timeout)
        });
        let wish = ChannelWish {
            place: target.place,
            tls,
            keepalive,
        };
        // By the hash of all, since it may have a key.
        let hash = xxh64(format!("{wish:?}").as_bytes(), 0);
        let identity = format!("{} {hash:016x}", uri.value);
        let Some(cluster) = ctx.channels.wish(&identity, wish) else {
            let text = format!("there are {MOST_CHANNELS} different channels of gRPC already");
            ctx.error(uri.span, text);
            return Err(Refused);
        };
        let own = concat!("grpc-nuncio/", env!("CARGO_PKG_VERSION"));
        let user_agent = match &arguments.user_agent {
            Some(primary) => format!("{primary} {own}").into(),
            None => own.into(),
        };
        Ok(GoogleChannel {
            name: self.stat_prefix.as_str().into(),
            stats: format!("grpc.{}", self.stat_prefix).into(),
            cluster,
            uri: uri.value.as_str().into(),
            authority,
            max_message_bytes: arguments.max_message_bytes,
            user_agent,
            scheme,
            is_exposed: !is_encrypted && !proofs.is_empty(),
            proofs: proofs.into(),
        })
    }

    fn arguments(&self, ctx: &mut Ctx) -> Result<Arguments, Refused> {
        let mut all = Arguments::default();
        let Some(message) = &self.channel_args else {
            return Ok(all);
        };
        for (name, value) in &message.args {
            let number = || match &value.value_specifier {
                ArgKind::Number(number) => u64::try_from(*number).ok(),
                ArgKind::Text(_) => None,
            };
            let text = || match &value.value_specifier {
                ArgKind::Text(text) => Some(text.as_str().into()),
                ArgKind::Number(_) => None,
            };
            match name.as_str() {
                "grpc.default_authority" => all.authority = text(),
                "grpc.primary_user_agent" => all.user_agent = text(),
                "grpc.ssl_target_name_override" => all.server_name = text(),
                "grpc.max_receive_message_length" => {
                    all.max_message_bytes = number().and_then(|most| usize::try_from(most).ok());
                }
                "grpc.keepalive_time_ms" => all.keepalive = number().map(Duration::from_millis),
                "grpc.keepalive_timeout_ms" => {
                    all.keepalive_timeout = number().map(Duration::from_millis);
                }
                other if INERT_ARGUMENTS.contains(&other) => {}
                other => {
                    let what = format_args!("argument `{other}` of a channel");
                    return Err(ctx.unsupported_here(value.span(), what));
                }
            }
        }
        Ok(all)
    }

    fn tls(
        &self,
        target: &Target,
        arguments: &Arguments,
        ctx: &mut Ctx,
    ) -> Result<Option<ChannelTls>, Refused> {
        let Some(message) = &self.channel_credentials else {
            return Ok(None);
        };
        match &message.credential_specifier {
            ChannelCredentialKind::Ssl(ssl) => {
                let name = arguments.server_name.clone();
                let name = name.unwrap_or_else(|| target.server_name());
                ssl.compile(name, message.span(), ctx).map(Some)
            }
            ChannelCredentialKind::Local(_) if matches!(target.place, ChannelPlace::Path(_)) => {
                Ok(None)
            }
            ChannelCredentialKind::Local(local) => {
                let what = "`local_credentials` of a target that is no unix domain socket";
                Err(ctx.unsupported_here(local.span(), what))
            }
        }
    }
}

impl SslCredentials {
    fn compile(
        &self,
        server_name: Box<str>,
        span: Span,
        ctx: &mut Ctx,
    ) -> Result<ChannelTls, Refused> {
        let roots = match read(self.root_certs.as_ref(), ctx)? {
            Some(roots) => roots,
            None => machine_roots(span, ctx)?,
        };
        let key = read(self.private_key.as_ref(), ctx)?;
        let chain = read(self.cert_chain.as_ref(), ctx)?;
        Ok(ChannelTls {
            roots,
            identity: key.zip(chain),
            server_name,
        })
    }
}

fn read(source: Option<&DataSource>, ctx: &mut Ctx) -> Result<Option<Vec<u8>>, Refused> {
    let read = source.map(|source| source.read(MOST_BYTES, ctx));
    Ok(read.transpose()?.filter(|bytes| !bytes.is_empty()))
}

fn machine_roots(span: Span, ctx: &mut Ctx) -> Result<Vec<u8>, Refused> {
    let said = std::env::var("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH").ok();
    let all = said.iter().map(String::as_str).chain(MACHINE_ROOTS);
    let most = u64::try_from(MOST_BYTES).unwrap_or(u64::MAX);
    let mut read = all.filter_map(|path| ctx.read_file(path, most).ok());
    let found = read.find(|bytes| !bytes.is_empty());
    found.ok_or_else(|| {
        ctx.error(
            span,
            "this machine has no file of authorities that it trusts",
        );
        Refused
    })
}

fn header(name: &str, span: Span, ctx: &mut Ctx) -> Result<HeaderName, Refused> {
    HeaderName::parse(name).map_err(|_| {
        ctx.error(span, format!("`{name}` is not a header name"));
        Refused
    })
}

impl GoogleChannel {
    /// Puts what all calls have into a head whose pseudo-headers are there.
    pub(super) fn begin_head(&self, head: &mut HeaderMap, timeout: Option<Duration>) {
        head.set(Known::Scheme, self.scheme);
        head.set(Known::ContentType, b"application/grpc");
        head.set(Known::Te, b"trailers");
        head.set(Known::GrpcAcceptEncoding, b"identity");
        if let Some(timeout) = timeout {
            let value = timeout::timeout_value(timeout);
            head.set(Known::GrpcTimeout, value.as_bytes());
        }
        head.set(Known::UserAgent, self.user_agent.as_bytes());
    }

    /// Puts what calls prove behind the rest; false if it cannot be had, so that the call is not to be made.
    pub(super) fn end_head(&self, head: &mut HeaderMap) -> bool {
        self.proofs.iter().all(|proof| proof.set(head))
    }
}
