//! Redirections: a host says that a key belongs to another one, and the command goes there.

use std::net::SocketAddr;
use std::rc::Rc;

use nuncio_codec::resp::Value;
use nuncio_upstream::forward_proxy::NamesOf;
use nuncio_upstream::redis_cluster::Trouble;

use super::{Answer, Pool};
use crate::commands::Words;

/// A command is sent on so often at most, where Envoy goes on for ever.
const MAX_REDIRECTIONS: usize = 16;

/// Where a host sends a command.
struct Redirection {
    /// An IP address, or a name.
    name: Box<str>,
    port: u16,
    /// Whether that is for this once, which the other host is to be told.
    is_once: bool,
}

impl Pool {
    /// The answer of the host that the first one names, if it names one, and so on. What cannot be followed is passed on.
    pub(super) fn followed(self: &Rc<Self>, answer: Answer, words: &Words) -> Answer {
        let (pool, words) = (Rc::clone(self), Rc::clone(words));
        Box::pin(async move {
            let mut answer = answer;
            for _ in 0..MAX_REDIRECTIONS {
                let text = match answer.await {
                    Some(Value::Error(text)) => text,
                    other => return other,
                };
                if text.starts_with(b"CLUSTERDOWN") {
                    pool.count_trouble(Trouble::Failure);
                    return None;
                }
                let Some(to) = redirection(&text) else {
                    return Some(Value::Error(text));
                };
                let sent = pool.address_of(&to).await;
                let sent =
                    sent.and_then(|address| pool.send_to_address(address, to.is_once, &words));
                pool.count_redirection(sent.is_some());
                match sent {
                    Some(next) => answer = next,
                    None => return Some(Value::Error(text)),
                }
            }
            answer.await
        })
    }
}

impl Pool {
    async fn address_of(&self, to: &Redirection) -> Option<SocketAddr> {
        if let Some(address) = to.address() {
            return Some(address);
        }
        let names = self.names()?;
        let authority = format!("{}:{}", to.name, to.port);
        let names = NamesOf::new(names, to.port);
        names.address(authority.as_bytes()).await
    }
}

impl Redirection {
    fn address(&self) -> Option<SocketAddr> {
        Some(SocketAddr::new(self.name.parse().ok()?, self.port))
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
        name: host.into(),
        port: port.parse().ok()?,
        is_once: kind == "ASK",
    })
}

#[cfg(test)]
mod tests {
    use super::redirection;

    #[test]
    fn only_whole_redirections_are_followed() {
        let found = |text: &str| {
            let found = redirection(text.as_bytes())?;
            Some((found.address()?.to_string(), found.is_once))
        };
        assert_eq!(
            found("MOVED 7 10.0.0.1:6379"),
            Some(("10.0.0.1:6379".into(), false))
        );
        assert_eq!(found("ASK 7 ::1:80"), Some(("[::1]:80".into(), true)));
        assert_eq!(found("MOVED 7 name:80"), None);
        let named = redirection(b"MOVED 7 name:80").expect("it names a host");
        assert_eq!((&*named.name, named.port), ("name", 80));
        assert_eq!(found("MOVED 7"), None);
        assert_eq!(found("ERR 7 10.0.0.1:6379"), None);
        assert_eq!(found("MOVED 7 10.0.0.1:6379 x"), None);
    }
}
