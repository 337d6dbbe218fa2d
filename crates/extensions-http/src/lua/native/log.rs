//! What scripts write into the process's log, and what Lua's own libraries need that safe ones lack.

use mlua::{Lua, String as LuaString, Table, Value};
use nuncio_contract::application_log::{self, Severity};

/// The logger of scripts.
pub(in crate::lua) const LOGGER: &str = "lua";

/// The resolutions of time stamps.
const RESOLUTIONS: [(&str, u8); 2] = [("MILLISECOND", 0), ("MICROSECOND", 1)];

pub(super) fn add(lua: &Lua, table: &Table) -> mlua::Result<()> {
    let log = lua.create_function(|_, (level, message): (u8, LuaString)| {
        let severity = match level {
            0 => Severity::Trace,
            1 => Severity::Debug,
            2 => Severity::Info,
            3 => Severity::Warning,
            4 => Severity::Error,
            _ => Severity::Critical,
        };
        let text = format!("script log: {}", message.to_string_lossy());
        application_log::write(severity, LOGGER, &text);
        Ok(())
    })?;
    table.set("log", log)?;
    let globals = lua.globals();
    let resolutions = lua.create_table()?;
    for (name, number) in RESOLUTIONS {
        resolutions.set(name, number)?;
    }
    globals.set("EnvoyTimestampResolution", resolutions)?;
    // The library itself is not safe to have; scripts use this of it to report errors.
    let debug = lua.create_table()?;
    let traceback = lua.create_function(|lua, (message, level): (Value, Option<usize>)| {
        let message = match &message {
            Value::String(text) => Some(text.to_string_lossy()),
            Value::Nil => None,
            _ => return Ok(message),
        };
        let text = lua.traceback(message.as_deref(), level.unwrap_or(1))?;
        Ok(Value::String(text))
    })?;
    debug.set("traceback", traceback)?;
    globals.set("debug", debug)
}
