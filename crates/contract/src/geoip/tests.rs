//! Databases, whole, cut and broken, and what a provider makes of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::database::{Broken, Database, Value};
use super::watched::Watched;

const CITY: [&str; 3] = ["city", "names", "en"];
const COUNTRY: [&str; 2] = ["country", "iso_code"];
const ASN: [&str; 1] = ["autonomous_system_number"];

fn bytes(name: &str) -> Vec<u8> {
    let path = format!(
        "{}/../../tests/differential/geoip/{name}.mmdb",
        env!("CARGO_MANIFEST_DIR")
    );
    std::fs::read(path).expect("a database")
}

fn open(bytes: Vec<u8>) -> Database {
    Database::new(bytes).unwrap_or_else(|_| panic!("no database"))
}

/// The text or number under a path; none if there is no entry or no such field.
fn find(database: &Database, address: &str, path: &[&str]) -> Option<String> {
    let address = address.parse().expect("an address");
    let entry = database.entry(address).ok()??;
    match database.value(entry, path).expect("not broken")? {
        Value::Text(text) => Some(String::from_utf8_lossy(text).into_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::Boolean(is_so) => Some(is_so.to_string()),
    }
}

#[test]
fn records_of_all_three_widths_lead_to_entries() {
    let city = open(bytes("city"));
    assert_eq!(find(&city, "1.2.3.255", &CITY).as_deref(), Some("Oslo"));
    assert_eq!(find(&city, "2001:db8::1", &CITY).as_deref(), Some("Bergen"));
    assert_eq!(find(&city, "::1.2.3.4", &CITY).as_deref(), Some("Oslo"));
    assert_eq!(
        find(&city, "1.2.5.5", &CITY).map(|name| name.len()),
        Some(400)
    );
    let region = ["subdivisions", "0", "iso_code"];
    assert_eq!(find(&city, "1.2.3.4", &region).as_deref(), Some("03"));
    let country = open(bytes("country"));
    assert_eq!(find(&country, "1.2.4.1", &COUNTRY).as_deref(), Some("XD"));
    let asn = open(bytes("asn"));
    assert_eq!(find(&asn, "1.2.3.1", &ASN).as_deref(), Some("64512"));
}

#[test]
fn what_is_not_there_is_none() {
    let city = open(bytes("city"));
    for address in ["9.9.9.9", "1.2.5.4", "2001:db9::1", "::"] {
        assert_eq!(find(&city, address, &CITY), None, "{address}");
    }
    for path in [
        &["city"][..],
        &["city", "names", "en", "deeper"],
        &["subdivisions", "9", "iso_code"],
        &["nothing"],
    ] {
        assert_eq!(find(&city, "1.2.3.4", path), None, "{path:?}");
    }
    let country = open(bytes("country"));
    let v6 = "2001:db8::1".parse().expect("an address");
    assert_eq!(country.entry(v6), Err(Broken));
}

#[test]
fn whatever_is_cut_or_changed_does_no_harm() {
    for name in ["city", "country", "asn", "anon", "isp"] {
        let whole = bytes(name);
        for end in 0..whole.len() {
            assert!(Database::new(whole[..end].to_vec()).is_err() || end > whole.len() - 20);
        }
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 0xff;
            let Ok(database) = Database::new(changed) else {
                continue;
            };
            for address in ["1.2.3.4", "1.2.4.4", "2001:db8::1"] {
                let address = address.parse().expect("an address");
                if let Ok(Some(entry)) = database.entry(address) {
                    for path in [&CITY[..], &COUNTRY, &ASN, &["is_anonymous"], &["isp"]] {
                        let _broken_or_not = database.value(entry, path);
                    }
                }
            }
        }
    }
}

#[test]
fn lists_within_lists_have_an_end() {
    // A map whose only name is followed by lists of one list each, as deep as the section is long.
    let mut nested = b"\xe1\x41a".to_vec();
    nested.extend([1, 4].repeat(100_000));
    let mut file = vec![0; 6 + 16];
    // One node: zero leads to the entry at the begin of the data, one to nothing.
    file[2] = 1 + 16;
    file[5] = 1;
    file.extend(nested);
    file.extend(b"\xab\xcd\xefMaxMind.com");
    let number = |name: &str, value: u8| {
        let mut out = vec![0x40 | u8::try_from(name.len()).expect("short")];
        out.extend(name.as_bytes());
        out.extend([0xa1, value]);
        out
    };
    file.push(0xe4);
    file.extend(number("node_count", 1));
    file.extend(number("record_size", 24));
    file.extend(number("ip_version", 4));
    file.extend(number("binary_format_major_version", 2));
    let database = open(file);
    let entry = database.entry("1.2.3.4".parse().expect("an address"));
    let entry = entry.expect("not broken").expect("there");
    assert_eq!(database.value(entry, &["b"]), Err(Broken));
}

#[test]
fn a_file_is_read_again_when_it_is_another_one_and_stays_if_that_is_none() {
    let directory = std::env::temp_dir();
    let path = directory.join(format!("nuncio-geoip-{}.mmdb", std::process::id()));
    let put = |bytes: &[u8]| std::fs::write(&path, bytes).expect("written");
    put(&bytes("city"));
    let named = path.to_str().expect("a text");
    let file = Watched::open(named).unwrap_or_else(|why| panic!("{why}"));
    let again = Watched::open(named).unwrap_or_else(|why| panic!("{why}"));
    assert!(Arc::ptr_eq(&file, &again), "all share one");
    let now = Instant::now();
    let has = |after_s: u64, path: &[&str]| {
        let database = file.database(now + Duration::from_secs(after_s));
        find(&database, "1.2.3.4", path).is_some()
    };
    assert!(has(0, &CITY));
    put(&bytes("asn"));
    file.read_again();
    assert!(has(0, &ASN) && !has(0, &CITY));
    put(b"no database");
    file.read_again();
    assert!(has(0, &ASN));
    assert_eq!(file.take_reloads(), [1, 1]);
    assert_eq!(file.take_reloads(), [0, 0]);
    std::fs::remove_file(&path).expect("removed");
    assert_eq!(
        Watched::open("/no/file").err(),
        Some("Error opening the specified MaxMind DB file")
    );
}
