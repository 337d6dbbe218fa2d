//! Names by the system's own `getaddrinfo`, on a thread that may wait.
//!
//! As in Envoy's resolver of that name an answer is good for 60 s, and what fails for now is asked again. Nothing is
//! counted.

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
) -> Result<Answer, DnsError> {
    let name = name.to_owned();
    let mut left = tries;
    loop {
        let asked = name.clone();
        let answer = tokio::task::spawn_blocking(move || addresses(&asked, family)).await;
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
