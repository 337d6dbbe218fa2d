//! Commands that are answered here: who the client is, and what needs no host.

use std::time::{SystemTime, UNIX_EPOCH};

use nuncio_codec::resp::Value;

use super::{Begun, Outcome, in_one_line, not_within, number_of};
use crate::commands::{Kind, Words, kind, word};
use crate::config::RedisProxyConfig;

/// Commands that are no handlers of Envoy's, and so have no counters.
const LOCAL: [&str; 6] = ["auth", "client", "echo", "ping", "quit", "time"];
const NO_AUTH: &str = "NOAUTH Authentication required.";
const WRONG_PASSWORD: &str = "WRONGPASS invalid username-password pair";

/// Whether a client may have commands served.
pub(crate) struct Login<'c> {
    config: &'c RedisProxyConfig,
    pub(crate) is_in: bool,
}

/// What is said of a command.
pub(crate) enum Said {
    /// The client gets this.
    Answer(Value),
    /// The same, to a command with counters.
    Hello(Begun),
    /// It is no command.
    Invalid,
    /// Nobody knows it.
    Unknown(Value),
    /// The client goes.
    Quit,
    /// Hosts are to be asked.
    Ask,
}

impl<'c> Login<'c> {
    pub(crate) fn new(config: &'c RedisProxyConfig) -> Self {
        Login {
            config,
            is_in: config.username.is_empty() && config.passwords.is_empty(),
        }
    }

    fn knows(&self, password: &[u8]) -> bool {
        self.config.passwords.iter().any(|known| known == password)
    }

    /// `AUTH password`.
    fn enter(&mut self, password: &[u8]) -> Value {
        if self.config.passwords.is_empty() {
            return Value::error("ERR Client sent AUTH, but no password is set");
        }
        self.is_in = self.knows(password);
        match self.is_in {
            true => Value::simple("OK"),
            false => Value::error("ERR invalid password"),
        }
    }

    /// `AUTH username password`.
    fn enter_as(&mut self, username: &[u8], password: &[u8]) -> Value {
        let config = self.config;
        if config.username.is_empty() && config.passwords.is_empty() {
            return Value::error("ERR Client sent AUTH, but no username-password pair is set");
        }
        let is_named =
            username == config.username || config.username.is_empty() && username == b"default";
        self.is_in = is_named && self.knows(password);
        match self.is_in {
            true => Value::simple("OK"),
            false => Value::error(WRONG_PASSWORD),
        }
    }
}

/// What is said of a command whose name in lower case is `name`, within a transaction or not.
pub(crate) fn answer(
    name: &str,
    words: &Words,
    login: &mut Login<'_>,
    is_within: bool,
    now: impl FnOnce() -> SystemTime,
) -> Said {
    let is_custom = || {
        let mut custom = login.config.custom_commands.iter();
        custom.any(|other| other == name)
    };
    if !LOCAL.contains(&name) && kind(name).is_none() && !is_custom() {
        return Said::Unknown(unknown(words));
    }
    match (name, words.len()) {
        ("auth", 0 | 1) => return Said::Invalid,
        ("auth", 3) => return Said::Answer(login.enter_as(word(words, 1), word(words, 2))),
        ("auth", _) => return Said::Answer(login.enter(word(words, 1))),
        ("hello", _) => return Said::Hello(hello(words, login)),
        _ => {}
    }
    if !login.is_in {
        return Said::Answer(Value::error(NO_AUTH));
    }
    match name {
        "client" if is_within => Said::Answer(Value::Error(not_within(b"client"))),
        "client" => client(words),
        "ping" => Said::Answer(Value::simple("PONG")),
        "echo" if words.len() == 2 => Said::Answer(Value::bulk(word(words, 1))),
        "echo" => Said::Invalid,
        "time" => Said::Answer(time(now())),
        "quit" => Said::Quit,
        "scan" if words.len() < 2 => {
            let name = String::from_utf8_lossy(word(words, 0));
            let text = format!("ERR wrong number of arguments for '{name}' command");
            Said::Answer(Value::error(text))
        }
        _ if words.len() < 2 && needs_argument(name) => Said::Invalid,
        _ => Said::Ask,
    }
}

fn needs_argument(name: &str) -> bool {
    let stands_alone = ["flushall", "flushdb", "randomkey", "role", "info"].contains(&name);
    !stands_alone && kind(name) != Some(Kind::Transaction)
}

fn unknown(words: &Words) -> Value {
    let mut text = b"ERR unknown command '".to_vec();
    text.extend_from_slice(word(words, 0));
    text.extend_from_slice(b"', with args beginning with: ");
    text.extend_from_slice(word(words, 1));
    Value::Error(in_one_line(text))
}

fn client(words: &Words) -> Said {
    if words.len() < 2 {
        return Said::Invalid;
    }
    let subcommand = word(words, 1);
    let (name, count) = match subcommand.to_ascii_lowercase().as_slice() {
        b"setname" => ("setname", 3),
        b"setinfo" => ("setinfo", 4),
        _ => ("", 0),
    };
    if !name.is_empty() && words.len() == count {
        return Said::Answer(Value::simple("OK"));
    }
    if !name.is_empty() {
        let text = format!("ERR wrong number of arguments for 'client|{name}' command");
        return Said::Answer(Value::error(text));
    }
    let mut text = b"ERR CLIENT subcommand '".to_vec();
    text.extend_from_slice(subcommand);
    text.extend_from_slice(b"' is not supported by the proxy");
    Said::Answer(Value::Error(in_one_line(text)))
}

/// Seconds, and microseconds since the epoch, as Envoy has them.
fn time(now: SystemTime) -> Value {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    Value::Array(vec![
        Value::bulk(since.as_secs().to_string()),
        Value::bulk(since.as_micros().to_string()),
    ])
}

/// `HELLO [version] [AUTH username password] [SETNAME name]`; version 2 is spoken, and no other.
fn hello(words: &Words, login: &mut Login<'_>) -> Begun {
    let mut place = 1;
    if words.len() > 1 {
        if number_of(word(words, 1)) != Some(2) {
            return Begun::error("NOPROTO unsupported protocol version");
        }
        place = 2;
    }
    let mut credentials = None;
    while place < words.len() {
        let option = word(words, place).to_ascii_uppercase();
        let rest = words.len() - place;
        match option.as_slice() {
            b"AUTH" if rest > 2 => {
                credentials = Some((word(words, place + 1), word(words, place + 2)));
                place += 3;
            }
            b"AUTH" => {
                let text = "ERR Syntax error: HELLO AUTH requires <username> <password>";
                return Begun::error(text);
            }
            b"SETNAME" if rest > 1 => place += 2,
            b"SETNAME" => {
                let text = "ERR Syntax error: HELLO SETNAME requires a <clientname>";
                return Begun::error(text);
            }
            _ => {
                let mut text = b"ERR Syntax error: unknown HELLO option '".to_vec();
                text.extend_from_slice(word(words, place));
                text.push(b'\'');
                return Begun::error(in_one_line(text));
            }
        }
    }
    if let Some((username, password)) = credentials {
        let has_logins = !(login.config.username.is_empty() && login.config.passwords.is_empty());
        let entered = login.enter_as(username, password);
        match (has_logins, login.is_in) {
            (true, true) => {}
            (true, false) => return Begun::error(WRONG_PASSWORD),
            // Envoy counts it as nothing.
            (false, _) => return Begun::Said(entered),
        }
    }
    match login.is_in {
        true => Begun::Over(Outcome::success(greeting())),
        false => Begun::error(NO_AUTH),
    }
}

fn greeting() -> Value {
    let pairs = [
        ("server", Value::bulk("envoy-redis-proxy")),
        ("version", Value::bulk("6.0.0")),
        ("proto", Value::Integer(2)),
        ("id", Value::Integer(0)),
        ("mode", Value::bulk("standalone")),
        ("role", Value::bulk("master")),
        ("modules", Value::Array(Vec::new())),
    ];
    let flat = pairs
        .into_iter()
        .flat_map(|(name, value)| [Value::bulk(name), value]);
    Value::Array(flat.collect())
}
