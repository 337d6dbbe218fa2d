//! The manifest of sampling rules, version 2: the first rule that fits says how many requests of a second are sampled, and
//! which share of the others.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use serde_json::{Map, Value};

const VERSION: f64 = 2.0;
const DEFAULT_TARGET: u32 = 1;
const DEFAULT_RATE: f64 = 0.05;
const SECOND_MS: u32 = 1000;
/// By how much the clock of a worker may be behind that of another: so far back a second is not over.
const BEHIND_MS: u32 = 60_000;

/// What rules look at.
pub(super) struct Request<'a> {
    pub(super) host: &'a [u8],
    pub(super) method: &'a [u8],
    pub(super) path: &'a [u8],
}

/// Chance and time.
pub(super) struct Throw {
    pub(super) now: Instant,
    pub(super) random: u64,
}

/// The rules.
#[derive(Debug)]
pub(super) struct Manifest {
    rules: Vec<Rule>,
    /// Of requests that no rule fits.
    default: Limits,
    began: Instant,
}

#[derive(Debug)]
struct Rule {
    host: Box<str>,
    method: Box<str>,
    path: Box<str>,
    limits: Limits,
}

/// How many are sampled.
#[derive(Debug)]
struct Limits {
    target: u32,
    rate: f64,
    /// When the second began, in milliseconds and one more, and how many it had.
    second: AtomicU64,
}

impl Limits {
    fn new(target: u32, rate: f64) -> Self {
        Limits {
            target,
            rate,
            second: AtomicU64::new(0),
        }
    }

    fn read(rule: &Map<String, Value>) -> Result<Self, &'static str> {
        let number = |name| rule.get(name).and_then(Value::as_f64);
        let target = number("fixed_target").and_then(whole);
        let target = target.ok_or("`fixed_target` must be a whole number of 0 or more")?;
        let rate = number("rate").filter(|rate| (0.0..=1.0).contains(rate));
        Ok(Self::new(
            target,
            rate.ok_or("`rate` must be a number from 0 to 1")?,
        ))
    }

    /// Takes one of those that are sampled within a second whatever the rate is.
    fn take(&self, now_ms: u32) -> bool {
        let taken = self
            .second
            .try_update(Ordering::Relaxed, Ordering::Relaxed, |old| {
                let (mut began, mut used) = ((old >> 32) as u32, old as u32);
                let since_ms = now_ms.wrapping_sub(began.wrapping_sub(1));
                let is_past = since_ms > SECOND_MS && since_ms < u32::MAX - BEHIND_MS;
                let is_over = began == 0 || is_past;
                if is_over {
                    (began, used) = (now_ms.wrapping_add(1).max(1), 0);
                }
                (used < self.target).then(|| u64::from(began) << 32 | u64::from(used + 1))
            });
        taken.is_ok()
    }

    fn sample(&self, now_ms: u32, random: u64) -> bool {
        let share = u32::try_from(random % 100).unwrap_or(0);
        self.take(now_ms) || f64::from(share) < 100.0 * self.rate
    }
}

/// A number that is one of `u32`.
fn whole(number: f64) -> Option<u32> {
    let text = number.to_string();
    text.parse().ok()
}

impl Default for Manifest {
    fn default() -> Self {
        Manifest {
            rules: Vec::new(),
            default: Limits::new(DEFAULT_TARGET, DEFAULT_RATE),
            began: Instant::now(),
        }
    }
}

impl Manifest {
    /// Reads a manifest; of one that is wrong somewhere what comes before holds.
    pub(super) fn read(text: &[u8]) -> (Self, Option<&'static str>) {
        let mut manifest = Manifest::default();
        let wrong = match text {
            [] => None,
            text => read_into(text, &mut manifest).err(),
        };
        (manifest, wrong)
    }

    /// Whether a request is sampled.
    pub(super) fn sample(&self, request: &Request<'_>, throw: &Throw) -> bool {
        let since = throw.now.saturating_duration_since(self.began).as_millis();
        // It may begin anew after seven weeks: seconds are told by differences.
        let now_ms = u32::try_from(since & u128::from(u32::MAX)).unwrap_or(0);
        let rule = self.rules.iter().find(|rule| {
            let fits = |pattern: &str, text: &[u8]| text.is_empty() || matches(pattern, text);
            fits(&rule.host, request.host)
                && fits(&rule.method, request.method)
                && fits(&rule.path, request.path)
        });
        let limits = rule.map_or(&self.default, |rule| &rule.limits);
        limits.sample(now_ms, throw.random)
    }
}

fn read_into(text: &[u8], into: &mut Manifest) -> Result<(), &'static str> {
    let manifest: Map<String, Value> =
        serde_json::from_slice(text).map_err(|_no_json| "it is no JSON object")?;
    let version = manifest.get("version").and_then(Value::as_f64);
    if version != Some(VERSION) {
        return Err("its `version` must be 2");
    }
    let of_default = manifest.get("default").and_then(Value::as_object);
    let of_default = of_default.ok_or("it has no rule `default`")?;
    names(of_default)?;
    into.default = Limits::read(of_default)?;
    let Some(all) = manifest.get("rules") else {
        return Ok(());
    };
    for rule in all.as_array().ok_or("`rules` must be a list")? {
        let rule = rule.as_object().ok_or("each rule must be an object")?;
        let [host, method, path] = names(rule)?;
        let limits = Limits::read(rule)?;
        into.rules.push(Rule {
            host,
            method,
            path,
            limits,
        });
    }
    Ok(())
}

fn names(rule: &Map<String, Value>) -> Result<[Box<str>; 3], &'static str> {
    let text = |name| match rule.get(name) {
        None => Ok(""),
        Some(Value::String(text)) => Ok(text.as_str()),
        Some(_) => Err("`host`, `http_method` and `url_path` must be texts"),
    };
    let (host, method, path) = (text("host")?, text("http_method")?, text("url_path")?);
    Ok([host.into(), method.into(), path.into()])
}

/// Whether a text is what a pattern with `*` and `?` means, in any case. Takes no longer than both are long, multiplied.
fn matches(pattern: &str, text: &[u8]) -> bool {
    let pattern = pattern.as_bytes();
    let (mut at, mut of) = (0, 0);
    // The last star, and where what it stands for ends.
    let mut star: Option<(usize, usize)> = None;
    while let Some(byte) = text.get(at) {
        match pattern.get(of) {
            Some(wanted) if *wanted == b'?' || wanted.eq_ignore_ascii_case(byte) => {
                (at, of) = (at + 1, of + 1);
            }
            Some(b'*') => {
                star = Some((of, at));
                of += 1;
            }
            _ => {
                let Some((place, end)) = star else {
                    return false;
                };
                star = Some((place, end + 1));
                (at, of) = (end + 1, place + 1);
            }
        }
    }
    let mut rest = pattern.get(of..).unwrap_or_default().iter();
    rest.all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_in_any_case() {
        for (pattern, text) in [
            ("*", "x"),
            ("a?c", "ABC"),
            ("/api/*/x*", "/api/1/2/xyz"),
            ("*.example", "h.EXAMPLE"),
            ("ab**", "ab"),
            ("*aab", "aaab"),
        ] {
            assert!(matches(pattern, text.as_bytes()), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("", "x"),
            ("a?", "a"),
            ("a", "ab"),
            ("*b", "a"),
            ("??", "a"),
        ] {
            assert!(!matches(pattern, text.as_bytes()), "{pattern} {text}");
        }
    }

    #[test]
    fn a_second_has_its_target_and_then_the_rate() {
        let limits = Limits::new(2, 0.25);
        let sampled = |now_ms, random| limits.sample(now_ms, random);
        assert!(sampled(0, 99) && sampled(10, 99));
        assert!(!sampled(20, 25));
        assert!(sampled(20, 124));
        assert!(!sampled(1000, 99));
        assert!(sampled(1001, 99));
    }

    #[test]
    fn a_worker_whose_clock_is_behind_begins_no_second() {
        let limits = Limits::new(2, 0.0);
        let sampled = |now_ms| limits.sample(now_ms, 99);
        assert!(sampled(100_000) && sampled(99_000));
        assert!(!sampled(98_000) && !sampled(40_001) && !sampled(100_000));
        assert!(sampled(101_001));
        let limits = Limits::new(1, 0.0);
        let sampled = |now_ms| limits.sample(now_ms, 99);
        assert!(sampled(u32::MAX - 10));
        assert!(!sampled(500));
        assert!(sampled(990));
    }

    #[test]
    fn bytes_that_are_no_text_fit_rules_as_others_do() {
        let text = br#"{"version":2,"default":{"fixed_target":0,"rate":1},
            "rules":[{"host":"*","http_method":"*","url_path":"/no*","fixed_target":0,"rate":0}]}"#;
        let (manifest, _) = Manifest::read(text);
        let sampled = |path| {
            let (host, method) = (&b"h"[..], &b"GET"[..]);
            let throw = Throw {
                now: Instant::now(),
                random: 0,
            };
            manifest.sample(&Request { host, method, path }, &throw)
        };
        assert!(sampled(b"/\xe9"));
        assert!(!sampled(b"/no\xe9"));
    }

    #[test]
    fn the_manifest_counts_up_to_what_is_wrong() {
        let text = br#"{"version":2,"default":{"fixed_target":0,"rate":0},
            "rules":[{"host":"a","fixed_target":1,"rate":0},{"host":"b","fixed_target":1.5,"rate":0}]}"#;
        let (manifest, wrong) = Manifest::read(text);
        assert_eq!(manifest.rules.len(), 1);
        assert_eq!(manifest.default.target, 0);
        assert!(wrong.is_some_and(|text| text.contains("fixed_target")));
        let (manifest, wrong) =
            Manifest::read(br#"{"version":2,"default":{"fixed_target":0,"rate":0}}"#);
        assert_eq!((manifest.default.target, wrong), (0, None));
        for text in [&b"x"[..], b"{}", br#"{"version":1}"#, br#"{"version":2}"#] {
            assert!(Manifest::read(text).1.is_some());
        }
        assert!(Manifest::read(b"").1.is_none());
    }
}
