//! Which buckets a request takes tokens from: those of its descriptors, the slowest first, and the one for all.
//!
//! A descriptor whose configuration leaves values open has a bucket for each value that requests bring, up to
//! `max_dynamic_descriptors` (20) of them; then the one goes that was used longest ago. Workers share all buckets;
//! only those of open values are behind a lock.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use nuncio_config::typed::{Ctx, Refused};
use nuncio_contract::rate_limit::{Descriptor, Entry};
use nuncio_contract::token_bucket::{TokenBucket, TokenBucketMessage};

use super::messages::{LocalRateLimit, LocalRateLimitDescriptor};

const LEAST_FILL_INTERVAL_MS: u128 = 50;
const DEFAULT_MAX_DYNAMIC: u32 = 20;

/// Where tokens come from.
pub(super) enum Tokens {
    /// There is no limit.
    Unlimited,
    /// There are none.
    Never,
    /// From a bucket.
    Bucket(Arc<TokenBucket>),
}

/// All buckets of a config.
pub(super) struct Limiter {
    default: Tokens,
    always_takes_from_default: bool,
    descriptors: Option<Box<Descriptors>>,
}

/// The buckets of descriptors.
struct Descriptors {
    fixed: HashMap<Box<[Entry]>, Limit>,
    open: Vec<Open>,
}

/// A bucket and what its end means.
#[derive(Clone)]
struct Limit {
    bucket: Arc<TokenBucket>,
    is_shadow: bool,
}

/// A descriptor of which values are open.
struct Open {
    entries: Box<[Entry]>,
    limit: Limit,
    most: usize,
    used: Mutex<Used>,
}

/// The buckets of values, by their last use.
#[derive(Default)]
struct Used {
    buckets: HashMap<Box<[Entry]>, (u64, Limit)>,
    by_last_use: BTreeMap<u64, Box<[Entry]>>,
    uses: u64,
}

/// What a request may do.
pub(super) struct Verdict {
    pub(super) is_allowed: bool,
    /// The bucket that headers tell of; none where no bucket had a word.
    pub(super) bucket: Option<Arc<TokenBucket>>,
    /// Whether headers tell of it, where the descriptor says so.
    pub(super) tells_of_limit: Option<bool>,
    /// Whether the limit is only counted.
    pub(super) is_shadow: bool,
}

impl Limiter {
    pub(super) fn compile(message: &LocalRateLimit, ctx: &mut Ctx) -> Result<Self, Refused> {
        let default = Tokens::compile(message.token_bucket.as_ref(), ctx);
        let most = message
            .max_dynamic_descriptors
            .unwrap_or(DEFAULT_MAX_DYNAMIC);
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let descriptors = Descriptors::compile(&message.descriptors, most, ctx)?;
        Ok(Limiter {
            default: default?,
            always_takes_from_default: message.always_consume_default_token_bucket.unwrap_or(true),
            descriptors: (!message.descriptors.is_empty()).then(|| Box::new(descriptors)),
        })
    }

    /// Whether there are limits for descriptors.
    pub(super) fn has_descriptors(&self) -> bool {
        self.descriptors.is_some()
    }

    /// The same with full buckets.
    pub(super) fn another(&self) -> Self {
        Limiter {
            default: match &self.default {
                Tokens::Unlimited => Tokens::Unlimited,
                Tokens::Never => Tokens::Never,
                Tokens::Bucket(bucket) => Tokens::Bucket(Arc::new(bucket.another())),
            },
            always_takes_from_default: self.always_takes_from_default,
            descriptors: (self.descriptors.as_ref()).map(|it| Box::new(it.another())),
        }
    }

    /// Takes the tokens for a request of these descriptors. `shows_bucket`: the verdict has the bucket for all, if it
    /// was that one.
    pub(super) fn take(
        &self,
        descriptors: &[Descriptor],
        shows_bucket: bool,
        now: Instant,
    ) -> Verdict {
        match &self.descriptors {
            Some(limits) if !descriptors.is_empty() => {
                self.take_described(&limits.of(descriptors), shows_bucket, now)
            }
            _ => self.take_default(shows_bucket, now),
        }
    }

    fn take_default(&self, shows_bucket: bool, now: Instant) -> Verdict {
        let (is_allowed, bucket) = match &self.default {
            Tokens::Unlimited => (true, None),
            Tokens::Never => (false, None),
            Tokens::Bucket(bucket) => {
                let shown = shows_bucket.then(|| Arc::clone(bucket));
                (bucket.take(now), shown)
            }
        };
        Verdict {
            is_allowed,
            bucket,
            tells_of_limit: None,
            is_shadow: false,
        }
    }

    /// The slowest bucket is asked first, so that a request that it refuses takes no tokens of the others. Where a
    /// shadow refuses, the others are asked on, and of the bucket for all only the token is taken, as in Envoy.
    fn take_described(
        &self,
        found: &[(Limit, &Descriptor)],
        shows_bucket: bool,
        now: Instant,
    ) -> Verdict {
        let Some(first) = found.first() else {
            return self.take_default(shows_bucket, now);
        };
        let mut over = None;
        for (limit, descriptor) in found {
            match descriptor.hits {
                Some(hits) if descriptor.gives_back => limit.bucket.give_back(hits, now),
                hits if limit.bucket.take_all(hits.unwrap_or(1), now) => {}
                _ if limit.is_shadow => over = over.or(Some((limit, *descriptor))),
                _ => return limit.verdict(false, descriptor),
            }
        }
        let of_default = self
            .always_takes_from_default
            .then(|| self.take_default(shows_bucket, now));
        match (over, of_default) {
            (Some((limit, descriptor)), _) => limit.verdict(false, descriptor),
            (None, Some(refused)) if !refused.is_allowed => refused,
            _ => first.0.verdict(true, first.1),
        }
    }
}

impl Limit {
    fn compile(
        message: &TokenBucketMessage,
        is_shadow: bool,
        ctx: &mut Ctx,
    ) -> Result<Self, Refused> {
        let is_quick = message.fill_interval().as_millis() < LEAST_FILL_INTERVAL_MS;
        if message.max_tokens() != 0 && is_quick {
            let text = "local rate limit descriptor token bucket fill timer must be >= 50ms";
            ctx.error(message.span(), text);
            return Err(Refused);
        }
        Ok(Limit {
            bucket: Arc::new(message.bucket()),
            is_shadow,
        })
    }

    fn another(&self) -> Self {
        Limit {
            bucket: Arc::new(self.bucket.another()),
            is_shadow: self.is_shadow,
        }
    }

    fn verdict(&self, is_allowed: bool, descriptor: &Descriptor) -> Verdict {
        Verdict {
            is_allowed,
            bucket: Some(Arc::clone(&self.bucket)),
            tells_of_limit: descriptor.tells_of_limit,
            is_shadow: self.is_shadow,
        }
    }
}

impl Descriptors {
    fn compile(
        messages: &[LocalRateLimitDescriptor],
        most: usize,
        ctx: &mut Ctx,
    ) -> Result<Self, Refused> {
        let mut all = Descriptors {
            fixed: HashMap::new(),
            open: Vec::new(),
        };
        let mut sound = Ok(());
        for message in messages {
            let entries: Box<[Entry]> = message
                .entries
                .iter()
                .map(|entry| Entry::new(entry.key.as_str(), entry.value.as_bytes()))
                .collect();
            let Ok(limit) = Limit::compile(&message.token_bucket, message.shadow_mode, ctx) else {
                sound = Err(Refused);
                continue;
            };
            let text = all.add(entries, limit, most);
            if let Err(twice) = text {
                let text = format!("duplicate descriptor in the local rate descriptor: {twice}");
                ctx.error(message.span(), text);
                sound = Err(Refused);
            }
        }
        sound.map(|()| all)
    }

    /// Adds a descriptor; one that is there already is an error, told as Envoy writes it.
    fn add(&mut self, entries: Box<[Entry]>, limit: Limit, most: usize) -> Result<(), String> {
        let is_open = entries.iter().any(|entry| entry.value.is_empty());
        let is_known = match is_open {
            true => self.open.iter().any(|open| open.entries == entries),
            false => self.fixed.contains_key(&entries),
        };
        if is_known {
            return Err(written(&entries));
        }
        if is_open {
            self.open.push(Open {
                entries,
                limit,
                most,
                used: Mutex::default(),
            });
        } else {
            self.fixed.insert(entries, limit);
        }
        Ok(())
    }

    fn another(&self) -> Self {
        let fixed = self.fixed.iter();
        Descriptors {
            fixed: fixed
                .map(|(entries, limit)| (entries.clone(), limit.another()))
                .collect(),
            open: self.open.iter().map(Open::another).collect(),
        }
    }

    /// The limits of a request, the slowest first.
    fn of<'d>(&self, descriptors: &'d [Descriptor]) -> Vec<(Limit, &'d Descriptor)> {
        let mut found: Vec<_> = descriptors
            .iter()
            .filter_map(|descriptor| {
                let entries = descriptor.entries.as_slice();
                let open = || self.open.iter().find(|open| open.takes(entries));
                let limit = match self.fixed.get(entries) {
                    Some(limit) => limit.clone(),
                    None => open()?.limit_of(entries),
                };
                Some((limit, descriptor))
            })
            .collect();
        found.sort_by(|(a, _), (b, _)| {
            let speed = |limit: &Limit| limit.bucket.tokens_per_second();
            speed(a).total_cmp(&speed(b))
        });
        found
    }
}

/// `key=value, key=value`.
fn written(entries: &[Entry]) -> String {
    let each = entries.iter().map(|entry| {
        let value = String::from_utf8_lossy(&entry.value);
        format!("{}={value}", entry.key)
    });
    each.collect::<Vec<_>>().join(", ")
}

impl Open {
    fn another(&self) -> Self {
        Open {
            entries: self.entries.clone(),
            limit: self.limit.another(),
            most: self.most,
            used: Mutex::default(),
        }
    }

    fn takes(&self, entries: &[Entry]) -> bool {
        let fits = |(mine, theirs): (&Entry, &Entry)| {
            mine.key == theirs.key && (mine.value.is_empty() || mine.value == theirs.value)
        };
        self.entries.len() == entries.len() && self.entries.iter().zip(entries).all(fits)
    }

    /// The limit of these values; where there are too many, those that were used longest ago are forgotten.
    fn limit_of(&self, entries: &[Entry]) -> Limit {
        // What a panic leaves is whole: each step below is.
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let used = &mut *used;
        used.uses += 1;
        if let Some((last_use, limit)) = used.buckets.get_mut(entries) {
            let values = used.by_last_use.remove(last_use);
            *last_use = used.uses;
            used.by_last_use
                .insert(used.uses, values.unwrap_or_else(|| entries.into()));
            return limit.clone();
        }
        let limit = self.limit.another();
        used.buckets
            .insert(entries.into(), (used.uses, limit.clone()));
        used.by_last_use.insert(used.uses, entries.into());
        if used.buckets.len() > self.most
            && let Some((_, oldest)) = used.by_last_use.pop_first()
        {
            used.buckets.remove(&oldest);
        }
        limit
    }
}

impl Tokens {
    /// As in Envoy, a bucket that fills in less than a millisecond is none.
    fn compile(message: Option<&TokenBucketMessage>, ctx: &mut Ctx) -> Result<Self, Refused> {
        let Some(message) = message else {
            return Ok(Tokens::Unlimited);
        };
        match (message.fill_interval().as_millis(), message.max_tokens()) {
            (0, _) => {
                let text =
                    "the bucket fills in less than a millisecond, so that nothing is limited";
                ctx.warning(message.span(), text);
                Ok(Tokens::Unlimited)
            }
            (_, 0) => Ok(Tokens::Never),
            (LEAST_FILL_INTERVAL_MS.., _) => Ok(Tokens::Bucket(Arc::new(message.bucket()))),
            _ => {
                let text = "local rate limit token bucket fill timer must be >= 50ms";
                ctx.error(message.span(), text);
                Err(Refused)
            }
        }
    }
}
