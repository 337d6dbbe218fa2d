//! Redirections: a host says that a key belongs to another one, and the command goes there.

use std::net::SocketAddr;
use std::rc::Rc;

use nuncio_codec::resp::Value;

use super::{Answer, Pool};
use crate::commands::Words;

/// Where a host sends a command.
struct Redirection {
    address: SocketAddr,
    /// Whether that is for this once, which the other host is to be told.
    is_once: bool,
}

impl Pool {
    /// The answer of the host that the first one names, if it names one. What cannot be followed is passed on.
    pub(super) fn followed(self: &Rc<Self>, answer: Answer, words: &Words) -> Answer {
        let (pool, words) = (Rc::clone(self), Rc::clone(words));
        Box::pin(async move {
            let text = match answer.await {
                Some(Value::Error(text)) => text,
                other => return other,
            };
            if text.starts_with(b"CLUSTERDOWN") {
                return None;
            }
            let followed = redirection(&text)
                .and_then(|to| pool.send_to_address(to.address, to.is_once, &words));
            match followed {
                Some(answer) => answer.await,
                None => Some(Value::Error(text)),
            }
        })
    }
}

fn redirection(text: &[u8]) -> Option<Redirection> {
    let text = std::str::from_utf8(text).ok()?;
    let mut words = text.split(' ').filter(|word| !word.is_empty());
    let (kind, _slot, address) = (words.next()?, words.next()?, words.next()?);
    if words.next().is_some() || !matches!(kind, "MOVED" | "ASK") {
        return None;
    }
    let (host, port) = address.rsplit_once(':')?;
    Some(Redirection {
        address: SocketAddr::new(host.parse().ok()?, port.parse().ok()?),
        is_once: kind == "ASK",
    })
}

#[cfg(test)]
mod tests {
    use super::redirection;

    #[test]
    fn only_whole_redirections_are_followed() {
        let found = |text: &str| {
            redirection(text.as_bytes()).map(|it| (it.address.to_string(), it.is_once))
        };
        assert_eq!(
            found("MOVED 7 10.0.0.1:6379"),
            Some(("10.0.0.1:6379".into(), false))
        );
        assert_eq!(found("ASK 7 ::1:80"), Some(("[::1]:80".into(), true)));
        assert_eq!(found("MOVED 7 name:80"), None);
        assert_eq!(found("MOVED 7"), None);
        assert_eq!(found("ERR 7 10.0.0.1:6379"), None);
        assert_eq!(found("MOVED 7 10.0.0.1:6379 x"), None);
    }
}
