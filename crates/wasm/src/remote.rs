//! Code that is fetched: by a GET of a URI over a cluster, checked by its SHA-256, and tried again as the policy says.
//! Envoy's defaults: one retry, after 1 s at most; never later than after 10 s.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use nuncio_config::typed::{Ctx, Refused};
use nuncio_contract::calls::{CallOptions, Calls, collect};
use nuncio_contract::headers::{HeaderMap, Known};

use crate::messages::{HttpUpstream, RemoteDataSource};

const BACK_OFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

/// Where code is fetched from.
#[derive(Clone, Debug)]
pub(crate) struct Remote {
    pub(crate) sha256: Box<str>,
    cluster: Box<str>,
    host: Box<str>,
    path: Box<str>,
    timeout: Duration,
    retries: u32,
    back_off: (Duration, Duration),
}

impl Remote {
    pub(crate) fn compile(message: &RemoteDataSource, ctx: &mut Ctx) -> Result<Self, Refused> {
        let HttpUpstream::Cluster(cluster) = &message.http_uri.http_upstream_type;
        let (host, path) = host_and_path(&message.http_uri.uri);
        let policy = message.retry_policy.as_ref();
        let policy = policy.map(|policy| policy.compile(ctx)).transpose()?;
        let back_off = policy.as_ref().and_then(|policy| policy.back_off);
        Ok(Remote {
            sha256: message.sha256.as_str().into(),
            cluster: cluster.as_str().into(),
            host: host.into(),
            path: path.into(),
            timeout: message.http_uri.timeout,
            retries: policy.map_or(1, |policy| policy.num_retries),
            back_off: back_off.unwrap_or(BACK_OFF),
        })
    }

    /// Fetches the code, as often as the policy says and somebody wants it.
    pub(crate) async fn fetch(
        &self,
        calls: &Calls,
        is_wanted: impl Fn() -> bool,
    ) -> Option<Arc<[u8]>> {
        for number in 0..=self.retries {
            if number > 0 {
                calls.sleep(self.back_off_behind(number)).await;
            }
            if !is_wanted() {
                return None;
            }
            if let Some(code) = self.fetch_once(calls).await {
                return Some(code);
            }
        }
        None
    }

    /// Fetches the code, once.
    pub(crate) async fn fetch_once(&self, calls: &Calls) -> Option<Arc<[u8]>> {
        let mut head = HeaderMap::request();
        head.set(Known::Path, self.path.as_bytes());
        head.set(Known::Authority, self.host.as_bytes());
        head.set(Known::Method, b"GET");
        let options = CallOptions {
            timeout: Some(self.timeout).filter(|timeout| !timeout.is_zero()),
            ..CallOptions::default()
        };
        let mut call = calls.start(&self.cluster, head, options)?;
        call.send(&[], true);
        let answer = collect(call).await?;
        let is_it = answer.status() == 200
            && !answer.body.is_empty()
            && hex(digest(&SHA256, &answer.body).as_ref()) == *self.sha256;
        is_it.then(|| answer.body.into())
    }

    /// The time before a retry: anything below a bound that doubles each time.
    fn back_off_behind(&self, failures: u32) -> Duration {
        let (base, max) = self.back_off;
        let factor = 1_u32.checked_shl(failures - 1).unwrap_or(u32::MAX);
        let bound = base.saturating_mul(factor).min(max);
        let bound = u64::try_from(bound.as_millis()).unwrap_or(u64::MAX).max(1);
        Duration::from_millis(RandomState::new().hash_one(failures) % bound)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The host of a URI, which may go without a scheme, and its path.
fn host_and_path(uri: &str) -> (&str, &str) {
    let rest = uri.split_once("://").map_or(uri, |(_scheme, rest)| rest);
    match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_have_a_host_and_a_path() {
        assert_eq!(host_and_path("http://a.example/b?c"), ("a.example", "/b?c"));
        assert_eq!(host_and_path("a.example/b"), ("a.example", "/b"));
        assert_eq!(host_and_path("https://a.example"), ("a.example", "/"));
    }

    #[test]
    fn retries_wait_within_their_bound() {
        let remote = Remote {
            sha256: "".into(),
            cluster: "".into(),
            host: "".into(),
            path: "".into(),
            timeout: Duration::ZERO,
            retries: 100,
            back_off: (Duration::from_millis(2), Duration::from_millis(5)),
        };
        for _ in 0..50 {
            assert!(remote.back_off_behind(1) < Duration::from_millis(2));
            assert!(remote.back_off_behind(100) < Duration::from_millis(5));
        }
    }
}
