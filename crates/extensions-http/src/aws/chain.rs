//! The chain of places that credentials come from: the first one that has some gives them.

use std::sync::Arc;

use nuncio_contract::services::LocalFuture;

use super::credentials::Credentials;
use super::fetched::Provider;
use super::watched::WatchedFile;

/// One place.
pub(crate) enum Link {
    /// They were there when the configuration was loaded.
    Fixed(Arc<Credentials>),
    /// They are those of a file as it is now.
    Watched(Arc<WatchedFile>),
    /// They are fetched.
    Fetched(Arc<Provider>),
}

/// The places, in their order.
pub(crate) struct Chain(Box<[Link]>);

impl Chain {
    /// Of these places.
    pub(crate) fn new(links: Vec<Link>) -> Self {
        Chain(links.into())
    }

    /// Of these credentials alone.
    pub(crate) fn fixed(credentials: Credentials) -> Self {
        Chain::new(vec![Link::Fixed(Arc::new(credentials))])
    }

    /// What a request has to wait for, if a place before the first one with credentials is being asked.
    pub(crate) fn pending(&self) -> Option<LocalFuture<()>> {
        for link in &self.0 {
            match link {
                Link::Fixed(_) => return None,
                Link::Watched(file) if file.current().is_some() => return None,
                Link::Watched(_) => {}
                Link::Fetched(provider) if provider.is_pending() => {
                    return Some(provider.settled());
                }
                Link::Fetched(provider) if provider.current().is_some() => return None,
                Link::Fetched(_) => {}
            }
        }
        None
    }

    /// The credentials of now; none if there are none anywhere.
    pub(crate) fn current(&self) -> Option<Arc<Credentials>> {
        self.0.iter().find_map(|link| match link {
            Link::Fixed(credentials) => Some(Arc::clone(credentials)),
            Link::Watched(file) => file.current(),
            Link::Fetched(provider) => provider.current(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::super::fetched::Fetched;
    use super::super::sources::Source;
    use super::*;

    fn credentials(id: &str) -> Option<Credentials> {
        Credentials::new(id, "secret", None)
    }

    fn came(credentials: Option<Credentials>) -> Fetched {
        Fetched {
            credentials,
            expires: None,
        }
    }

    #[test]
    fn requests_wait_for_the_first_place_that_may_have_credentials() {
        let places = [1, 2].map(|number: u8| Provider::new(&number.to_string(), Source::Instance));
        let [first, second] = &places;
        let links = places.iter().map(|place| Link::Fetched(Arc::clone(place)));
        let chain = Chain::new(links.collect());
        let id = || chain.current().map(|it| it.access_key_id.to_string());
        assert!(chain.pending().is_some());
        second.take(came(credentials("second")));
        assert!(chain.pending().is_some());
        first.take(came(None));
        assert!(chain.pending().is_none());
        assert_eq!(id().as_deref(), Some("second"));
        first.begin_fetch(SystemTime::now());
        assert!(chain.pending().is_some());
        first.take(came(credentials("first")));
        second.begin_fetch(SystemTime::now());
        assert!(chain.pending().is_none());
        assert_eq!(id().as_deref(), Some("first"));
    }

    #[test]
    fn credentials_that_are_at_hand_are_not_waited_for() {
        let chain = credentials("mine").map(Chain::fixed);
        assert!(chain.is_some_and(|chain| chain.pending().is_none() && chain.current().is_some()));
    }
}
