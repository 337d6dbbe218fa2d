//! Names that need no server, and resolvers that are shared.

use std::net::IpAddr;

use nuncio_contract::stats::StatsStore;

use super::*;

fn resolver() -> Rc<Resolver> {
    Resolvers::new(&None, &StatsStore::default()).find(&None)
}

#[tokio::test]
async fn an_address_stands_for_itself() {
    let resolver = resolver();
    let v4: IpAddr = "192.0.2.1".parse().unwrap();
    let answer = resolver
        .resolve("192.0.2.1", LookupFamily::Auto)
        .await
        .unwrap();
    assert_eq!((answer.addresses, answer.ttl), (vec![v4], None));
}

#[tokio::test]
async fn servers_are_said_to_be_asked_for_addresses_too() {
    let store = StatsStore::default();
    let resolver = Resolvers::new(&None, &store).find(&None);
    let Resolver::Servers { stats, .. } = &*resolver else {
        panic!("servers are asked by default");
    };
    for (name, family, expected) in [
        ("192.0.2.1", LookupFamily::V6Only, (true, 1, 0)),
        ("192.0.2.1", LookupFamily::All, (true, 1, 0)),
        ("::1", LookupFamily::Auto, (true, 1, 0)),
        ("::1", LookupFamily::V4Preferred, (true, 2, 1)),
        ("::1", LookupFamily::V4Only, (false, 1, 1)),
    ] {
        let before = (stats.resolve_total.value(), stats.get_addr_failure.value());
        let is_answered = resolver.resolve(name, family).await.is_ok();
        let asked = stats.resolve_total.value() - before.0;
        let failed = stats.get_addr_failure.value() - before.1;
        assert_eq!((is_answered, asked, failed), expected, "{name} {family:?}");
    }
}

#[tokio::test]
async fn the_hosts_file_is_asked_first() {
    let answer = resolver()
        .resolve("localhost", LookupFamily::V4Only)
        .await
        .unwrap();
    assert_eq!(answer.addresses, ["127.0.0.1".parse::<IpAddr>().unwrap()]);
}

#[tokio::test]
async fn the_systems_own_function_knows_the_hosts_file_too() {
    let settings = Some(Arc::new(ResolverSettings::System { tries: Some(1) }));
    let resolver = Resolvers::new(&settings, &StatsStore::default()).find(&None);
    for family in [LookupFamily::V4Only, LookupFamily::V4Preferred] {
        let answer = resolver.resolve("localhost", family).await.unwrap();
        assert_eq!(answer.addresses, ["127.0.0.1".parse::<IpAddr>().unwrap()]);
        assert_eq!(answer.ttl, Some(Duration::from_secs(60)));
    }
}

#[test]
fn who_has_the_same_settings_shares_a_resolver() {
    let resolvers = Resolvers::new(&None, &StatsStore::default());
    let plain = resolvers.find(&None);
    let same = resolvers.find(&Some(Arc::default()));
    let other = resolvers.find(&Some(Arc::new(ResolverSettings::System { tries: None })));
    assert!(Rc::ptr_eq(&plain, &same) && !Rc::ptr_eq(&plain, &other));
}
