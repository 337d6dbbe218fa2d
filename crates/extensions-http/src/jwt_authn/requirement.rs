//! What a request must show: a tree of providers.

use std::collections::HashMap;

use nuncio_config::typed::{Ctx, Refused, Spanned};
use nuncio_contract::headers::HeaderName;

use super::locations::Locations;
use super::messages::{JwtRequirement, RequiresType};
use super::provider::{Audiences, Provider};

/// The header that tells that nobody has checked what a token claims.
const STATUS_HEADER: &str = "x-jwt-signature-verified";

/// A requirement.
pub(super) enum Requirement {
    /// None.
    Nothing,
    /// A token of this provider, for these audiences if they are not those of the provider.
    Provider(usize, Option<Audiences>),
    /// One of these.
    Any(Box<[Requirement]>),
    /// All of these.
    All(Box<[Requirement]>),
    /// Whatever tokens there are.
    Lenient(Box<Lenient>),
}

/// No token is fine, or one that is wrong as well.
pub(super) struct Lenient {
    pub(super) allows_failed: bool,
    /// The header that tells that a token was wrong.
    pub(super) status_header: Option<HeaderName>,
    /// Where tokens may be.
    pub(super) locations: Locations,
    /// Whose headers nobody else may set.
    pub(super) providers: Box<[usize]>,
}

/// The providers by name, for what requirements name.
pub(super) struct Providers<'p> {
    pub(super) names: &'p HashMap<String, usize>,
    pub(super) all: &'p [Provider],
}

impl Providers<'_> {
    fn find(&self, name: &Spanned<String>, ctx: &mut Ctx) -> Result<usize, Refused> {
        self.names.get(&name.value).copied().ok_or_else(|| {
            let text = format!("Required provider ['{}'] is not configured.", name.value);
            ctx.error(name.span, text);
            Refused
        })
    }

    /// The places of some; of all if there are none.
    fn lenient(&self, allows_failed: bool, used: &[usize]) -> Lenient {
        let providers: Box<[usize]> = match used.is_empty() {
            true => (0..self.all.len()).collect(),
            false => used.into(),
        };
        let mut locations = Locations::default();
        for provider in providers.iter().filter_map(|at| self.all.get(*at)) {
            locations.join(&provider.locations);
        }
        Lenient {
            allows_failed,
            status_header: None,
            locations,
            providers,
        }
    }
}

fn lenient(lenient: Lenient) -> Requirement {
    Requirement::Lenient(Box::new(lenient))
}

impl JwtRequirement {
    pub(super) fn compile(
        &self,
        providers: &Providers<'_>,
        ctx: &mut Ctx,
    ) -> Result<Requirement, Refused> {
        Ok(match &self.requires_type {
            None => Requirement::Nothing,
            Some(RequiresType::Provider(name)) => {
                Requirement::Provider(providers.find(name, ctx)?, None)
            }
            Some(RequiresType::ProviderAndAudiences(both)) => {
                let provider = providers.find(&both.provider_name, ctx)?;
                let audiences = Some(&both.audiences).filter(|it| !it.is_empty());
                Requirement::Provider(provider, audiences.map(|it| Audiences::new(it)))
            }
            Some(RequiresType::Any(any)) => compile_any(&any.requirements, providers, ctx)?,
            Some(RequiresType::All(all)) => {
                let all = all.requirements.iter();
                let all: Vec<_> = all.map(|it| it.compile(providers, ctx)).collect();
                Requirement::All(all.into_iter().collect::<Result<_, _>>()?)
            }
            Some(RequiresType::AllowMissingOrFailed(_)) => lenient(providers.lenient(true, &[])),
            Some(RequiresType::AllowMissing(_)) => lenient(providers.lenient(false, &[])),
            Some(RequiresType::ExtractOnly(extract)) => {
                let name = &extract.verification_status_header;
                let text = match name.value.is_empty() {
                    true => STATUS_HEADER,
                    false => name.value.as_str(),
                };
                let status_header = HeaderName::parse(text).map_err(|_| {
                    ctx.error(name.span, format!("`{text}` is not a header name"));
                    Refused
                })?;
                lenient(Lenient {
                    status_header: Some(status_header),
                    ..providers.lenient(true, &[])
                })
            }
        })
    }
}

/// One of several. What is lenient is asked last, once, and looks where the others of this list do.
fn compile_any(
    any: &[JwtRequirement],
    providers: &Providers<'_>,
    ctx: &mut Ctx,
) -> Result<Requirement, Refused> {
    let mut compiled = Vec::new();
    let mut used = Vec::new();
    let mut lenient = None;
    for one in any {
        match &one.requires_type {
            Some(RequiresType::AllowMissingOrFailed(_)) => lenient = Some(true),
            Some(RequiresType::AllowMissing(_)) => lenient = lenient.or(Some(false)),
            kind => {
                let name = match kind {
                    Some(RequiresType::Provider(name)) => Some(name),
                    Some(RequiresType::ProviderAndAudiences(both)) => Some(&both.provider_name),
                    _ => None,
                };
                if let Some(name) = name {
                    used.push(providers.find(name, ctx)?);
                }
                compiled.push(one.compile(providers, ctx)?);
            }
        }
    }
    compiled.extend(
        lenient.map(|allows_failed| self::lenient(providers.lenient(allows_failed, &used))),
    );
    Ok(Requirement::Any(compiled.into()))
}
