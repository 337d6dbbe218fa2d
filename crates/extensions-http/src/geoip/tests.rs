//! The GeoIP filter on streams.

use super::ROOM;
use crate::tests::harness::{Worker, refusal};

const DATABASES: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../tests/differential/geoip"
);

fn with(rest: &str, provider: &str) -> String {
    let maxmind = "type.googleapis.com/envoy.extensions.geoip_providers.maxmind.v3.MaxMindConfig";
    format!("{{{rest} provider: {{name: p, typed_config: {{'@type': {maxmind}, {provider}}}}}}}")
}

fn city(keys: &str) -> String {
    format!(
        "city_db_path: '{DATABASES}/city.mmdb', common_provider_config: {{geo_field_keys: {{{keys}}}}}"
    )
}

#[test]
fn an_address_of_a_header_is_looked_up_and_what_is_known_replaces_what_was_sent() {
    let rest = "custom_header_config: {header_name: X-Client},";
    let worker = Worker::new(
        &ROOM,
        &with(rest, &city("country: x-country, city: x-city")),
    );
    let mut stream = worker.stream().with("x-client", "1.2.4.4");
    stream = stream.with("x-country", "sent").with("x-city", "sent");
    let _ = stream.decode_headers(true);
    assert_eq!(stream.header("x-country"), "SE");
    assert_eq!(stream.header("x-city"), "sent");
    assert_eq!(worker.stat("geoip.total"), 1);
    assert_eq!(worker.stat("maxmind.city_db.hit"), 1);
}

#[test]
fn so_many_addresses_of_x_forwarded_for_are_trusted() {
    let rest = "xff_config: {xff_num_trusted_hops: 1},";
    let worker = Worker::new(&ROOM, &with(rest, &city("country: x-country")));
    let country = |forwarded: &str| {
        let mut stream = worker.stream().with("x-forwarded-for", forwarded);
        let _ = stream.decode_headers(true);
        stream.header("x-country")
    };
    assert_eq!(country("9.9.9.9, 1.2.3.4, 9.9.9.9"), "NO");
    assert_eq!(country("1.2.3.4"), "");
    assert_eq!(country("2001:db8::1,9.9.9.9"), "NO");
}

#[test]
fn what_cannot_be_is_refused_in_envoys_words() {
    let both = "xff_config: {}, custom_header_config: {header_name: x},";
    let why = refusal(&ROOM, &with(both, &city("country: x")));
    assert!(
        why.contains("Only one of xff_config or custom_header_config"),
        "{why}"
    );
    let none = "common_provider_config: {geo_field_keys: {country: x}}";
    let why = refusal(&ROOM, &with("", none));
    assert!(
        why.contains("At least one geolocation database path"),
        "{why}"
    );
    let gone = "city_db_path: /no/city.mmdb, common_provider_config: {}";
    let why = refusal(&ROOM, &with("", gone));
    assert!(
        why.contains("Unable to open Maxmind database file /no/city.mmdb. Error Error opening"),
        "{why}"
    );
}
