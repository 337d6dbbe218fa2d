//! A provider, compiled: what its tokens must be like, where they stand, and what becomes of their claims.

use std::sync::Arc;
use std::time::Duration;

use nuncio_config::typed::{Ctx, Refused, Spanned};
use nuncio_contract::data_source::DataSource;
use nuncio_contract::headers::HeaderName;
use nuncio_contract::matching::CompiledStringMatcher;

use super::fetch::Remote;
use super::key_set::KeySet;
use super::locations::Locations;
use super::messages::{JwksSource, JwtClaimToHeader, JwtProvider, Segment};
use super::status::Status;
use super::token::Token;

/// The largest set of keys in a file.
const MAX_KEYS_BYTES: usize = 4 << 20;

/// A provider.
pub(super) struct Provider {
    pub(super) issuer: Box<str>,
    audiences: Audiences,
    subjects: Option<CompiledStringMatcher>,
    /// The longest time that a token may last; it must have an end then.
    max_lifetime: Option<Duration>,
    pub(super) source: Source,
    pub(super) forwards: bool,
    pub(super) locations: Locations,
    pub(super) payload_header: Option<HeaderName>,
    pub(super) pads_payload: bool,
    pub(super) payload_key: Box<str>,
    pub(super) space_delimited: Box<[Box<str>]>,
    pub(super) header_key: Box<str>,
    pub(super) failure_key: Box<str>,
    skew_seconds: u64,
    /// How many tokens are remembered, and how long they may be.
    pub(super) cache: Option<(usize, usize)>,
    pub(super) claims: Box<[ClaimHeader]>,
    pub(super) clears_route: bool,
}

/// Where keys come from.
pub(super) enum Source {
    /// The configuration; none if there are none that can be used.
    Given(Option<Arc<KeySet>>),
    Remote(Remote),
}

/// A header that tells a claim.
pub(super) struct ClaimHeader {
    pub(super) header: HeaderName,
    pub(super) path: Box<[Box<str>]>,
}

/// For whom tokens may be; for anybody if it is empty.
pub(super) struct Audiences(Box<[Box<str>]>);

impl Audiences {
    pub(super) fn new(audiences: &[String]) -> Self {
        let all = audiences.iter().map(|one| sanitized(one).into());
        Audiences(all.collect())
    }

    fn allow(&self, audiences: &[Box<str>]) -> bool {
        let mut all = audiences.iter();
        self.0.is_empty() || all.any(|one| self.0.iter().any(|known| **known == *sanitized(one)))
    }
}

/// Without the scheme in front and a slash at the end, neither of which counts.
fn sanitized(audience: &str) -> &str {
    let rest = audience.strip_prefix("https://");
    let rest = rest.or_else(|| audience.strip_prefix("http://"));
    let Some(rest) = rest else {
        return audience;
    };
    rest.strip_suffix('/').unwrap_or(rest)
}

impl Provider {
    /// The headers that tell hosts of its tokens.
    pub(super) fn told_headers(&self) -> impl Iterator<Item = &HeaderName> {
        let claims = self.claims.iter().map(|claim| &claim.header);
        self.payload_header.iter().chain(claims)
    }

    pub(super) fn compile(
        name: &str,
        message: &JwtProvider,
        ctx: &mut Ctx,
    ) -> Result<Self, Refused> {
        let locations = Locations::of(message, ctx)?;
        let subjects = message.subjects.as_ref();
        let subjects = subjects.map(|matcher| CompiledStringMatcher::compile(matcher, ctx));
        let source = match &message.jwks_source_specifier {
            JwksSource::Local(source) => Source::Given(given(name, source, ctx)?),
            JwksSource::Remote(remote) => Source::Remote(Remote::compile(name, remote, ctx)?),
        };
        let claims = message.claim_to_headers.iter();
        let claims: Vec<_> = claims.map(|claim| claim.compile(name, ctx)).collect();
        let normalize = message.normalize_payload_in_metadata.as_ref();
        let normalize = normalize.map_or(&[][..], |it| it.space_delimited_claims.as_slice());
        let cache = message.jwt_cache_config.as_ref().map(|cache| {
            let or = |number: u32, default: usize| match usize::try_from(number) {
                Ok(0) | Err(_) => default,
                Ok(number) => number,
            };
            (
                or(cache.jwt_cache_size, 100),
                or(cache.jwt_max_token_size, 4096),
            )
        });
        let endless = message.require_expiration.then_some(Duration::MAX);
        Ok(Provider {
            issuer: message.issuer.as_str().into(),
            audiences: Audiences::new(&message.audiences),
            subjects: subjects.transpose()?,
            max_lifetime: message.max_lifetime.or(endless),
            source,
            forwards: message.forward,
            locations,
            payload_header: optional_header(&message.forward_payload_header, ctx)?,
            pads_payload: message.pad_forward_payload_header,
            payload_key: message.payload_in_metadata.as_str().into(),
            space_delimited: normalize.iter().map(|name| name.as_str().into()).collect(),
            header_key: message.header_in_metadata.as_str().into(),
            failure_key: message.failed_status_in_metadata.as_str().into(),
            skew_seconds: match message.clock_skew_seconds {
                0 => 60,
                seconds => seconds.into(),
            },
            cache,
            claims: claims.into_iter().collect::<Result<_, _>>()?,
            clears_route: message.clear_route_cache,
        })
    }

    /// Whether the claims of a token are such as the provider makes, now and for these audiences.
    pub(super) fn check(
        &self,
        token: &Token,
        now_seconds: u64,
        audiences: Option<&Audiences>,
    ) -> Result<(), Status> {
        if let Some(subjects) = &self.subjects
            && !subjects.matches(token.subject.as_bytes())
        {
            return Err(Status::VerificationFails);
        }
        if let Some(most) = self.max_lifetime {
            let end = token.end().ok_or(Status::VerificationFails)?;
            if Duration::from_secs(end.saturating_sub(now_seconds)) >= most {
                return Err(Status::VerificationFails);
            }
        }
        token.check_time(now_seconds, self.skew_seconds)?;
        let audiences = audiences.unwrap_or(&self.audiences);
        match audiences.allow(&token.audiences) {
            true => Ok(()),
            false => Err(Status::AudienceNotAllowed),
        }
    }
}

/// The keys of the configuration.
fn given(name: &str, source: &DataSource, ctx: &mut Ctx) -> Result<Option<Arc<KeySet>>, Refused> {
    let text = source.read(MAX_KEYS_BYTES, ctx)?;
    if text.is_empty() {
        return Ok(None);
    }
    match KeySet::read(&text) {
        Ok(keys) => Ok(Some(Arc::new(keys))),
        Err(fault) => {
            let text =
                format!("Provider '{name}' in jwt_authn config has invalid local jwks: {fault}");
            ctx.error(source.span(), text);
            Err(Refused)
        }
    }
}

pub(super) fn header(name: &Spanned<String>, ctx: &mut Ctx) -> Result<HeaderName, Refused> {
    HeaderName::parse_with_pseudo(&name.value).map_err(|_| {
        ctx.error(name.span, format!("`{}` is not a header name", name.value));
        Refused
    })
}

fn optional_header(name: &Spanned<String>, ctx: &mut Ctx) -> Result<Option<HeaderName>, Refused> {
    match name.value.is_empty() {
        true => Ok(None),
        false => header(name, ctx).map(Some),
    }
}

impl JwtClaimToHeader {
    fn compile(&self, provider: &str, ctx: &mut Ctx) -> Result<ClaimHeader, Refused> {
        if self.claim_path.is_empty() == self.claim_name.is_empty() {
            let text = format!(
                "Provider '{provider}' has a claim_to_headers entry for header '{}' which does not set exactly one of claim_name and claim_path",
                self.header_name.value
            );
            ctx.error(self.span(), text);
            return Err(Refused);
        }
        let path = match self.claim_path.is_empty() {
            true => self.claim_name.split('.').map(Box::from).collect(),
            false => {
                let steps = self.claim_path.iter();
                let steps = steps.map(|step| {
                    let Segment::Key(key) = &step.segment;
                    key.as_str().into()
                });
                steps.collect()
            }
        };
        Ok(ClaimHeader {
            header: header(&self.header_name, ctx)?,
            path,
        })
    }
}
