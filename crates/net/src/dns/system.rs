//! Names by the system's own `getaddrinfo`, on a thread that may wait.
//!
//! As in Envoy's resolver of that name an answer is good for 60 s, and what fails for now is asked again. Nothing is
//! counted. A thread that asks cannot be stopped: what the caller gives to be held is held there until it is done.

use std::io;
use std::time::Duration;

use dns_lookup::{AddrFamily, AddrInfoHints, LookupErrorKind, SockType};

use super::{Answer, DnsError, LookupFamily};

/// What `getaddrinfo` does not tell.
const TTL: Duration = Duration::from_secs(60);
/// Between tries, so that a system without a network is not asked without end.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) async fn ask(
    name: &str,
    family: LookupFamily,
    tries: Option<u32>,
    held: impl Clone + Send + 'static,
) -> Result<Answer, DnsError> {
    let name = name.to_owned();
    ask_by(move || addresses(&name, family), tries, held).await
}

async fn ask_by(
    look: impl Fn() -> Result<Answer, LookupErrorKind> + Clone + Send + 'static,
    tries: Option<u32>,
    held: impl Clone + Send + 'static,
) -> Result<Answer, DnsError> {
    let mut left = tries;
    loop {
        let (look, held) = (look.clone(), held.clone());
        let answer = tokio::task::spawn_blocking(move || {
            let answer = look();
            drop(held);
            answer
        });
        let answer = answer.await;
        match answer.map_err(|error| DnsError::new(&error.to_string()))? {
            Ok(answer) => return Ok(answer),
            Err(LookupErrorKind::NoName | LookupErrorKind::NoData) => {
                return Ok(Answer {
                    has_no_such_name: true,
                    ..Answer::default()
                });
            }
            Err(LookupErrorKind::Again) if left != Some(1) => {
                left = left.map(|left| left.saturating_sub(1));
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(DnsError::new(&format!("{error:?}"))),
        }
    }
}

fn addresses(name: &str, family: LookupFamily) -> Result<Answer, LookupErrorKind> {
    let hints = AddrInfoHints {
        socktype: SockType::Stream.into(),
        address: match family {
            LookupFamily::V4Only => AddrFamily::Inet.into(),
            LookupFamily::V6Only => AddrFamily::Inet6.into(),
            _ => 0,
        },
        ..AddrInfoHints::default()
    };
    let found =
        dns_lookup::getaddrinfo(Some(name), None, Some(hints)).map_err(|error| error.kind())?;
    let found = found
        .collect::<io::Result<Vec<_>>>()
        .map_err(|_| LookupErrorKind::Fail)?;
    let all: Vec<_> = found.into_iter().map(|one| one.sockaddr.ip()).collect();
    let has = |v4: bool| all.iter().any(|address| address.is_ipv4() == v4);
    let wanted = |v4: bool| match family {
        LookupFamily::Auto => v4 != has(false),
        LookupFamily::V4Preferred => v4 == has(true),
        _ => true,
    };
    let addresses = all
        .iter()
        .copied()
        .filter(|address| wanted(address.is_ipv4()));
    Ok(Answer {
        addresses: addresses.collect(),
        ttl: Some(TTL),
        has_no_such_name: false,
    })
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::{Arc, Mutex};
    use std::task::{Context, Waker};

    use super::*;

    #[tokio::test]
    async fn a_look_up_that_nobody_waits_for_holds_what_it_was_given_until_it_is_done() {
        let (held, gate) = (Arc::new(()), Arc::new(Mutex::new(())));
        let shut = gate.lock().unwrap();
        let (opens, given) = (Arc::clone(&gate), Arc::clone(&held));
        let look = move || {
            drop(opens.lock());
            Ok(Answer::default())
        };
        {
            let mut asking = pin!(ask_by(look, None, given));
            let mut cx = Context::from_waker(Waker::noop());
            assert!(asking.as_mut().poll(&mut cx).is_pending());
        }
        assert_eq!(Arc::strong_count(&held), 2);
        drop(shut);
        while Arc::strong_count(&held) > 1 {
            std::thread::yield_now();
        }
    }
}
