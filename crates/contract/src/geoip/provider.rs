//! Which fields of which database are told under which keys, and what is counted of that.

use std::cell::OnceCell;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use nuncio_config::typed::{Ctx, FromValue as _, Refused, Spanned, SupportTable};

use super::database::{Broken, Database, Value};
use super::message::{CommonConfig, FieldKeys, HeadersToAdd, MaxMindConfig, ProviderMessage};
use super::watched::Watched;
use crate::stats::{Counter, Scope};

const MAXMIND: &str = "envoy.extensions.geoip_providers.maxmind.v3.MaxMindConfig";
const PRIVATE_RELAY: &str = "iCloud Private Relay";

/// A compiled provider.
pub struct Provider {
    databases: Vec<Asked>,
}

/// A database and what it is asked.
struct Asked {
    name: &'static str,
    file: Arc<Watched>,
    fields: Vec<Field>,
}

struct Field {
    key: Arc<str>,
    path: &'static [&'static str],
    /// Whether it is told that this is the name of Apple's relay, rather than the name.
    is_relay: bool,
}

/// What is known of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// The key that the configuration gives it.
    pub key: Arc<str>,
    /// What it is, never empty.
    pub value: String,
}

/// What a worker counts of a provider, at `<prefix>maxmind.`. A stat is listed once it has counted.
pub struct Counted {
    scope: Option<Scope>,
    databases: Vec<DatabaseStats>,
}

struct DatabaseStats {
    name: &'static str,
    counters: [OnceCell<Arc<Counter>>; 5],
}

#[derive(Clone, Copy)]
enum Stat {
    Total,
    Hit,
    LookupError,
    ReloadSuccess,
    ReloadError,
}

const STATS: [&str; 5] = [
    "total",
    "hit",
    "lookup_error",
    "db_reload_success",
    "db_reload_error",
];

/// The keys of all fields, whichever message names them.
struct Keys<'m> {
    country: &'m Spanned<String>,
    city: &'m Spanned<String>,
    region: &'m Spanned<String>,
    asn: &'m Spanned<String>,
    asn_org: &'m Spanned<String>,
    anon: &'m Spanned<String>,
    anon_vpn: &'m Spanned<String>,
    anon_hosting: &'m Spanned<String>,
    anon_tor: &'m Spanned<String>,
    anon_proxy: &'m Spanned<String>,
    isp: &'m Spanned<String>,
    relay: &'m Spanned<String>,
}

macro_rules! keys_of {
    ($message:expr, $anon:expr) => {
        Keys {
            country: &$message.country,
            city: &$message.city,
            region: &$message.region,
            asn: &$message.asn,
            asn_org: &$message.asn_org,
            anon: $anon,
            anon_vpn: &$message.anon_vpn,
            anon_hosting: &$message.anon_hosting,
            anon_tor: &$message.anon_tor,
            anon_proxy: &$message.anon_proxy,
            isp: &$message.isp,
            relay: &$message.apple_private_relay,
        }
    };
}

impl<'m> Keys<'m> {
    fn of(common: &'m CommonConfig) -> Option<Self> {
        let new = common.geo_field_keys.as_ref();
        let new = new.map(|keys: &FieldKeys| keys_of!(keys, &keys.anon));
        let old = || {
            let keys: &HeadersToAdd = common.geo_headers_to_add.as_ref()?;
            let anon = match keys.anon.value.is_empty() {
                true => &keys.is_anon,
                false => &keys.anon,
            };
            Some(keys_of!(keys, anon))
        };
        new.or_else(old)
    }
}

impl Provider {
    /// Compiles a provider; `check` looks at each key.
    ///
    /// # Errors
    /// It is unknown, or one of its files is no database.
    pub fn compile(
        message: &ProviderMessage,
        ctx: &mut Ctx,
        check: impl Fn(&Spanned<String>, &mut Ctx),
    ) -> Result<Self, Refused> {
        let any = &message.typed_config;
        if any.type_name() != MAXMIND {
            let why = format!(
                "Didn't find a registered implementation for '{}' with type URL: '{}'",
                message.name,
                any.type_name()
            );
            ctx.error(any.span, why);
            return Err(Refused);
        }
        let config: MaxMindConfig = any.decode(ctx)?;
        let paths = [
            &config.city_db_path,
            &config.isp_db_path,
            &config.asn_db_path,
            &config.anon_db_path,
            &config.country_db_path,
        ];
        if paths.iter().all(|path| path.value.is_empty()) {
            let why = "At least one geolocation database path needs to be configured: \
                       city_db_path, isp_db_path, asn_db_path, anon_db_path or country_db_path";
            ctx.error(any.span, why);
            return Err(Refused);
        }
        let mut provider = Provider {
            databases: Vec::new(),
        };
        let keys = Keys::of(&config.common_provider_config);
        let wanted = keys.as_ref().map(|keys| Wanted::of(keys, &config));
        for (name, path, fields) in wanted.iter().flat_map(|wanted| wanted.databases(&config)) {
            provider.open(name, path, fields, ctx, &check)?;
        }
        for path in paths {
            // Files that nobody asks are looked at all the same.
            if !path.value.is_empty() {
                opened(path, ctx)?;
            }
        }
        Ok(provider)
    }

    /// Lists what is honoured.
    pub fn support(table: &mut SupportTable) {
        ProviderMessage::support(table);
        MaxMindConfig::support(table);
    }

    /// What is known of an address. The first word on a key counts, but for Apple's relay.
    pub fn locate(&self, address: Option<IpAddr>, now: Instant, counted: &Counted) -> Vec<Located> {
        let mut found = Vec::new();
        for (index, asked) in self.databases.iter().enumerate() {
            let before = found.len();
            let database = asked.file.database(now);
            let entry = address.map(|address| database.entry(address));
            let outcome = match entry {
                Some(Ok(Some(entry))) => asked.tell(&database, entry, &mut found),
                Some(Err(_)) | None | Some(Ok(None)) if asked.name == "city_db" => Err(Broken),
                _ => Ok(()),
            };
            counted.count(index, Stat::Total, 1);
            if found.len() > before {
                counted.count(index, Stat::Hit, 1);
            }
            if outcome.is_err() {
                counted.count(index, Stat::LookupError, 1);
            }
            counted.note_reloads(index, &asked.file);
        }
        found
    }

    /// What the calling worker counts of it, in the scope.
    pub fn counted(&self, scope: &Scope) -> Counted {
        self.counted_as(scope, "")
    }

    /// The same with `prefix` before its names.
    pub fn counted_as(&self, scope: &Scope, prefix: &str) -> Counted {
        let scope = scope.scope(&format!("{prefix}maxmind"));
        let databases = self.databases.iter().map(|asked| DatabaseStats {
            name: asked.name,
            counters: Default::default(),
        });
        let databases = databases.collect();
        Counted { scope, databases }
    }

    fn open(
        &mut self,
        name: &'static str,
        path: &Spanned<String>,
        fields: Fields<'_>,
        ctx: &mut Ctx,
        check: &impl Fn(&Spanned<String>, &mut Ctx),
    ) -> Result<(), Refused> {
        let file = opened(path, ctx)?;
        let mut asked = Vec::new();
        for (key, path, is_relay) in fields {
            if !key.value.is_empty() {
                check(key, ctx);
                asked.push(Field {
                    key: key.value.as_str().into(),
                    path,
                    is_relay,
                });
            }
        }
        self.databases.push(Asked {
            name,
            file,
            fields: asked,
        });
        Ok(())
    }
}

fn opened(path: &Spanned<String>, ctx: &mut Ctx) -> Result<Arc<Watched>, Refused> {
    Watched::open(&path.value).map_err(|why| {
        let why = format!(
            "Unable to open Maxmind database file {}. Error {why}",
            path.value
        );
        ctx.error(path.span, why);
        Refused
    })
}

/// Which databases are asked: those with a file, for which some key is wanted.
struct Wanted<'m> {
    keys: &'m Keys<'m>,
    country_of_city: bool,
    asn_of_isp: bool,
}

type Fields<'m> = Vec<(&'m Spanned<String>, &'static [&'static str], bool)>;

impl<'m> Wanted<'m> {
    fn of(keys: &'m Keys<'m>, config: &MaxMindConfig) -> Self {
        Wanted {
            keys,
            country_of_city: config.country_db_path.value.is_empty(),
            asn_of_isp: config.asn_db_path.value.is_empty(),
        }
    }

    fn databases(
        &self,
        config: &'m MaxMindConfig,
    ) -> Vec<(&'static str, &'m Spanned<String>, Fields<'m>)> {
        let keys = self.keys;
        let mut all = vec![
            (
                "country_db",
                &config.country_db_path,
                vec![(keys.country, &["country", "iso_code"][..], false)],
            ),
            ("city_db", &config.city_db_path, self.of_city()),
            (
                "asn_db",
                &config.asn_db_path,
                vec![
                    (keys.asn, &["autonomous_system_number"][..], false),
                    (keys.asn_org, &["autonomous_system_organization"][..], false),
                ],
            ),
            ("anon_db", &config.anon_db_path, self.of_anon()),
            ("isp_db", &config.isp_db_path, self.of_isp()),
        ];
        all.retain(|(_, path, fields)| {
            let mut keys = fields.iter().map(|(key, _, _)| key);
            !path.value.is_empty() && keys.any(|key| !key.value.is_empty())
        });
        all
    }

    fn of_city(&self) -> Fields<'m> {
        let mut fields: Fields<'m> = vec![
            (self.keys.city, &["city", "names", "en"], false),
            (self.keys.region, &["subdivisions", "0", "iso_code"], false),
        ];
        if self.country_of_city {
            fields.push((self.keys.country, &["country", "iso_code"], false));
        }
        fields
    }

    fn of_anon(&self) -> Fields<'m> {
        vec![
            (self.keys.anon, &["is_anonymous"], false),
            (self.keys.anon_vpn, &["is_anonymous_vpn"], false),
            (self.keys.anon_hosting, &["is_hosting_provider"], false),
            (self.keys.anon_tor, &["is_tor_exit_node"], false),
            (self.keys.anon_proxy, &["is_public_proxy"], false),
        ]
    }

    fn of_isp(&self) -> Fields<'m> {
        let mut fields: Fields<'m> = vec![
            (self.keys.isp, &["isp"], false),
            (self.keys.relay, &["isp"], true),
        ];
        if self.asn_of_isp {
            fields.push((self.keys.asn, &["autonomous_system_number"], false));
            fields.push((self.keys.asn_org, &["organization"], false));
        }
        fields
    }
}

impl Asked {
    fn tell(
        &self,
        database: &Database,
        entry: usize,
        found: &mut Vec<Located>,
    ) -> Result<(), Broken> {
        for field in &self.fields {
            let value = match database.value(entry, field.path)? {
                Some(Value::Text(text)) => String::from_utf8_lossy(text).into_owned(),
                Some(Value::Number(number @ 1..)) => number.to_string(),
                Some(Value::Boolean(is_so)) => is_so.to_string(),
                Some(Value::Number(0)) | None => String::new(),
            };
            let place = found.iter().position(|located| located.key == field.key);
            let value = match field.is_relay {
                true => (value == PRIVATE_RELAY).to_string(),
                false => value,
            };
            match place.and_then(|place| found.get_mut(place)) {
                Some(located) if field.is_relay => located.value = value,
                Some(_) => {}
                None if value.is_empty() => {}
                None => found.push(Located {
                    key: Arc::clone(&field.key),
                    value,
                }),
            }
        }
        Ok(())
    }
}

impl Counted {
    fn count(&self, database: usize, stat: Stat, times: u64) {
        let (Some(scope), Some(stats)) = (&self.scope, self.databases.get(database)) else {
            return;
        };
        let place = stat as usize;
        let (Some(cell), Some(name)) = (stats.counters.get(place), STATS.get(place)) else {
            return;
        };
        let counter = cell.get_or_init(|| scope.counter(&format!("{}.{name}", stats.name)));
        counter.add(times);
    }

    fn note_reloads(&self, database: usize, file: &Watched) {
        let [done, failed] = file.take_reloads();
        if done > 0 {
            self.count(database, Stat::ReloadSuccess, done);
        }
        if failed > 0 {
            self.count(database, Stat::ReloadError, failed);
        }
    }
}
