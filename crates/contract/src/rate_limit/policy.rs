//! Lists of descriptors: a route's and a virtual host's, of which each filter looks at those of its stage, and a
//! filter's own.

use std::sync::Arc;

use nuncio_config::runtime::RuntimeKey;
use nuncio_config::typed::{Ctx, Refused};

use super::action::{Action, Added};
use super::messages::{OverrideKind, OverrideMessage};
use super::messages::{RateLimitMessage, XRateLimitOption};
use super::{Asked, Descriptor, LimitOverride};
use crate::formatter::Format;
use crate::stream_info::metadata::Value;

/// Above this a format's number does not count.
const MOST_HITS: f64 = 1e9;
const HITS_WORDS: &str = "hits_addend must contain either a format or a number";

/// How one descriptor is made.
#[derive(Debug)]
struct Maker {
    actions: Box<[Action]>,
    tells_of_limit: Option<bool>,
}

impl Maker {
    fn compile(message: &RateLimitMessage, ctx: &mut Ctx) -> Result<Self, Refused> {
        let actions: Vec<_> = message
            .actions
            .iter()
            .map(|action| Action::compile(action, ctx))
            .collect();
        Ok(Maker {
            actions: actions.into_iter().collect::<Result<_, _>>()?,
            tells_of_limit: match message.x_ratelimit_option {
                XRateLimitOption::Unspecified => None,
                XRateLimitOption::Off => Some(false),
                XRateLimitOption::DraftVersion03 => Some(true),
            },
        })
    }

    fn make(&self, asked: &Asked<'_>) -> Option<Descriptor> {
        let mut entries = Vec::with_capacity(self.actions.len());
        for action in &self.actions {
            match action.of(asked) {
                // As in Envoy, what has no name is left out.
                Added::Entry(entry) if entry.key.is_empty() => {}
                Added::Entry(entry) => entries.push(entry),
                Added::Nothing => {}
                Added::NoDescriptor => return None,
            }
        }
        Some(Descriptor {
            entries,
            hits: None,
            gives_back: false,
            tells_of_limit: self.tells_of_limit,
            limit: None,
        })
    }
}

/// When a stream is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// When its request comes.
    Request,
    /// When it is over (`apply_on_stream_done`).
    Done,
}

impl Moment {
    fn of(message: &RateLimitMessage) -> Self {
        match message.apply_on_stream_done {
            true => Moment::Done,
            false => Moment::Request,
        }
    }
}

/// The descriptors of a route or a virtual host.
#[derive(Clone, Debug, Default)]
pub struct RateLimitPolicy(Arc<[Staged]>);

#[derive(Debug)]
struct Staged {
    stage: u32,
    moment: Moment,
    maker: Maker,
    /// The key of runtime that says how many requests it is for.
    disable_key: Option<RuntimeKey>,
    limit: Option<OverridePlace>,
}

/// Another limit than a server's own.
#[derive(Debug)]
enum OverridePlace {
    /// This one.
    Fixed(LimitOverride),
    /// The one that stands in a request's metadata.
    Metadata {
        namespace: Box<str>,
        path: Box<[Box<str>]>,
    },
}

impl OverridePlace {
    fn compile(message: &OverrideMessage) -> Self {
        match &message.override_specifier {
            OverrideKind::RateLimit(limit) => OverridePlace::Fixed(LimitOverride {
                requests_per_unit: limit.requests_per_unit,
                unit: limit.unit.number(),
            }),
            OverrideKind::DynamicMetadata(metadata) => OverridePlace::Metadata {
                namespace: metadata.metadata_key.key.as_str().into(),
                path: metadata.metadata_key.path().collect(),
            },
        }
    }

    fn find(&self, asked: &Asked<'_>) -> Option<LimitOverride> {
        const UNITS: [&str; 7] = ["SECOND", "MINUTE", "HOUR", "DAY", "MONTH", "YEAR", "WEEK"];
        let (namespace, path) = match self {
            OverridePlace::Fixed(limit) => return Some(*limit),
            OverridePlace::Metadata { namespace, path } => (namespace, path),
        };
        let metadata = asked.info.dynamic_metadata()?;
        let Value::Struct(limit) = metadata.value(namespace, path)? else {
            return None;
        };
        let (Value::Number(requests), Value::String(unit)) =
            (limit.get("requests_per_unit")?, limit.get("unit")?)
        else {
            return None;
        };
        let requests = u32::try_from(whole(*requests)?).ok()?;
        let (_, number) = UNITS.iter().zip(1..).find(|(name, _)| ***name == **unit)?;
        Some(LimitOverride {
            requests_per_unit: requests,
            unit: number,
        })
    }
}

impl RateLimitPolicy {
    /// Compiles; every mistake is reported at its place.
    pub fn compile(messages: &[RateLimitMessage], ctx: &mut Ctx) -> Result<Self, Refused> {
        let staged: Vec<_> = messages
            .iter()
            .map(|message| {
                if let Some(hits) = &message.hits_addend {
                    let text = "only limits inside of a filter's configuration count hits";
                    ctx.warning(hits.span(), text);
                }
                Ok(Staged {
                    moment: Moment::of(message),
                    stage: message.stage.as_ref().map_or(0, |stage| stage.value),
                    maker: Maker::compile(message, ctx)?,
                    disable_key: (!message.disable_key.value.is_empty()).then(|| {
                        let key = format!(
                            "ratelimit.{}.http_filter_enabled",
                            message.disable_key.value
                        );
                        ctx.runtime.key(&key)
                    }),
                    limit: message.limit.as_ref().map(OverridePlace::compile),
                })
            })
            .collect();
        let staged = staged.into_iter().collect::<Result<_, _>>()?;
        Ok(RateLimitPolicy(staged))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there are any of a stage that count when a stream is over.
    pub fn counts_done(&self, stage: u32) -> bool {
        let mut of_stage = self.0.iter().filter(|it| it.stage == stage);
        of_stage.any(|it| it.moment == Moment::Done)
    }

    /// Adds those of a stage that the local rate limit filter may go by: those without `disable_key`.
    pub fn describe(&self, stage: u32, asked: &Asked<'_>, descriptors: &mut Vec<Descriptor>) {
        let wanted = self
            .0
            .iter()
            .filter(|it| it.stage == stage && it.disable_key.is_none());
        descriptors.extend(wanted.filter_map(|it| it.maker.make(asked)));
    }
}

impl RateLimitPolicy {
    /// Adds those of a stage and a moment, or of both if none is named, that the global rate limit filter goes by: all but those that runtime has
    /// switched off, with the limits that requests bring.
    pub fn describe_for_service(
        &self,
        stage: u32,
        moment: Option<Moment>,
        asked: &Asked<'_>,
        descriptors: &mut Vec<Descriptor>,
    ) {
        let is_due = |it: &Staged| moment.is_none_or(|moment| it.moment == moment);
        let wanted = |it: &&Staged| it.stage == stage && is_due(it);
        for staged in self.0.iter().filter(wanted) {
            let share = staged
                .disable_key
                .as_ref()
                .map_or(100, |key| key.integer(100));
            if share < 100 && asked.services.random_u64() % 100 >= share {
                continue;
            }
            if let Some(mut descriptor) = staged.maker.make(asked) {
                descriptor.limit = staged.limit.as_ref().and_then(|it| it.find(asked));
                descriptors.push(descriptor);
            }
        }
    }
}

/// What a stream's route has for rate limits.
#[derive(Clone, Copy, Default)]
pub struct RouteRateLimits<'a> {
    /// The route's own; none if it does not forward.
    pub route: Option<&'a RateLimitPolicy>,
    /// The virtual host's.
    pub host: Option<&'a RateLimitPolicy>,
    /// Whether the route wants those of its virtual host as well, whatever a filter says.
    pub includes_host: bool,
}

/// The descriptors that a filter has of its own.
#[derive(Clone, Debug, Default)]
pub struct FilterRateLimits(Arc<[Counted]>);

#[derive(Debug)]
struct Counted {
    maker: Maker,
    hits: Hits,
    gives_back: bool,
    moment: Moment,
}

#[derive(Debug)]
enum Hits {
    Once,
    Number(u64),
    Format(Format),
}

impl FilterRateLimits {
    /// Compiles; every mistake is reported at its place, in Envoy's words.
    pub fn compile(messages: &[RateLimitMessage], ctx: &mut Ctx) -> Result<Self, Refused> {
        let counted: Vec<_> = messages
            .iter()
            .map(|message| Counted::compile(message, ctx))
            .collect();
        let counted = counted.into_iter().collect::<Result<_, _>>()?;
        Ok(FilterRateLimits(counted))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there are any that count when a stream is over.
    pub fn counts_done(&self) -> bool {
        self.0.iter().any(|it| it.moment == Moment::Done)
    }

    /// Adds those of a moment.
    pub fn describe(&self, moment: Moment, asked: &Asked<'_>, descriptors: &mut Vec<Descriptor>) {
        let wanted = self.0.iter().filter(|it| it.moment == moment);
        descriptors.extend(wanted.filter_map(|it| it.make(asked)));
    }
}

impl Counted {
    fn compile(message: &RateLimitMessage, ctx: &mut Ctx) -> Result<Self, Refused> {
        let fault = match message {
            RateLimitMessage { stage: Some(_), .. } => {
                Some("'stage' field and 'disable_key' field are not supported")
            }
            _ if !message.disable_key.value.is_empty() => {
                Some("'stage' field and 'disable_key' field are not supported")
            }
            RateLimitMessage { limit: Some(_), .. } => Some("'limit' field is not supported"),
            _ => None,
        };
        if let Some(fault) = fault {
            ctx.error(message.span(), fault);
            return Err(Refused);
        }
        let hits = Hits::compile(message, ctx);
        let maker = Maker::compile(message, ctx)?;
        let gives_back = message.hits_addend.as_ref();
        Ok(Counted {
            maker,
            hits: hits?,
            gives_back: gives_back.is_some_and(|hits| hits.is_negative_hits),
            moment: Moment::of(message),
        })
    }

    fn make(&self, asked: &Asked<'_>) -> Option<Descriptor> {
        let mut descriptor = self.maker.make(asked)?;
        descriptor.hits = match &self.hits {
            Hits::Once => None,
            Hits::Number(number) => Some(*number),
            Hits::Format(format) => Some(number_of(&asked.formatted(format))?),
        };
        descriptor.gives_back = self.gives_back;
        Some(descriptor)
    }
}

impl Hits {
    fn compile(message: &RateLimitMessage, ctx: &mut Ctx) -> Result<Self, Refused> {
        let Some(hits) = &message.hits_addend else {
            return Ok(Hits::Once);
        };
        match (hits.format.value.is_empty(), hits.number) {
            (true, Some(number)) => Ok(Hits::Number(number)),
            (false, None) => {
                let format = Format::parse_omitting(&hits.format, ctx)?;
                if format.is_one_command() {
                    return Ok(Hits::Format(format));
                }
                let text = "hits_addend format must contain exactly one substitution";
                ctx.error(hits.format.span, text);
                Err(Refused)
            }
            _ => {
                ctx.error(hits.span(), HITS_WORDS);
                Err(Refused)
            }
        }
    }
}

/// A number of hits; none if the text is none, or too much.
fn number_of(text: &[u8]) -> Option<u64> {
    whole(std::str::from_utf8(text).ok()?.trim().parse().ok()?)
}

/// A number without its fraction; none if it is too much.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a number from 0 to `MOST_HITS`, whose fraction is dropped as in Envoy"
)]
fn whole(number: f64) -> Option<u64> {
    (0.0..=MOST_HITS).contains(&number).then_some(number as u64)
}
