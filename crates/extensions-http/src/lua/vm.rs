//! A script with a state of Lua of its own, which belongs to one worker.

use std::rc::Rc;

use mlua::{Function, Lua, String as LuaString, Table};

use nuncio_contract::headers::HeaderMap;

use super::live::Slot;
use super::native;

/// The objects that scripts see.
const PRELUDE: &str = include_str!("prelude.lua");

const ON_REQUEST: &str = "envoy_on_request";
const ON_RESPONSE: &str = "envoy_on_response";
const ON_ROUTE: &str = "envoy_on_route";

/// What a turn ended with; the same numbers are in `prelude.lua`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// The script is done.
    Done,
    /// It failed.
    Failed(String),
    /// It waits for the whole body.
    Body,
    /// It waits for the next chunk.
    Chunk,
    /// It waits for the trailers.
    Trailers,
    /// It waits for a call.
    Call,
    /// It has answered.
    Respond,
}

impl Turn {
    fn of(number: u8, why: Option<LuaString>) -> Self {
        match number {
            0 => Turn::Done,
            2 => Turn::Body,
            3 => Turn::Chunk,
            4 => Turn::Trailers,
            5 => Turn::Call,
            6 => Turn::Respond,
            _ => Turn::Failed(why.map(|why| why.to_string_lossy()).unwrap_or_default()),
        }
    }
}

/// What a script chose.
pub(super) enum Chosen {
    /// The cluster of this name.
    Name(Vec<u8>),
    /// Nothing that is a name.
    Nothing,
    /// It failed.
    Failed(String),
}

/// A script that is loaded.
pub(super) struct Script {
    // Functions refer to the state, which must outlive them.
    on_request: Option<Function>,
    on_response: Option<Function>,
    on_route: Option<Function>,
    choose: Function,
    start: Function,
    step: Function,
    pub(super) slot: Slot,
    _state: Lua,
}

/// A script that runs for a direction of a stream.
pub(super) struct Running {
    run: Table,
    script: Rc<Script>,
}

impl Script {
    /// Loads a script, which runs its outermost level.
    ///
    /// # Errors
    /// What Lua says is wrong with it.
    pub(super) fn load(code: &[u8], slot: Slot) -> Result<Script, String> {
        let state = Lua::new();
        let natives = native::functions(&state, &slot).map_err(|error| error.to_string())?;
        let prelude = state.load(PRELUDE).set_name("=envoy");
        let (start, step, choose) = prelude.call(natives).map_err(|error| error.to_string())?;
        let name = String::from_utf8_lossy(code).replace('\0', " ");
        let chunk = state
            .load(code)
            .set_name(name)
            .set_mode(mlua::ChunkMode::Text);
        chunk.exec().map_err(|error| said(&error))?;
        let function = |name: &str| state.globals().get::<Option<Function>>(name).ok().flatten();
        Ok(Script {
            on_request: function(ON_REQUEST),
            on_response: function(ON_RESPONSE),
            on_route: function(ON_ROUTE),
            choose,
            start,
            step,
            slot,
            _state: state,
        })
    }

    /// Whether the script has something to do in a direction.
    pub(super) fn hooks(&self, is_response: bool) -> bool {
        self.function(is_response).is_some()
    }

    /// Whether the script chooses clusters.
    pub(super) fn chooses(&self) -> bool {
        self.on_route.is_some()
    }

    /// The cluster for a request.
    pub(super) fn choose(&self, request: &HeaderMap) -> Chosen {
        let Some(function) = &self.on_route else {
            return Chosen::Nothing;
        };
        self.slot.live().headers = request.clone();
        let chosen = self.choose.call::<(bool, Option<LuaString>)>(function);
        match chosen {
            Ok((true, Some(name))) => Chosen::Name(name.as_bytes().to_vec()),
            Ok((true, None)) => Chosen::Nothing,
            Ok((false, why)) => {
                Chosen::Failed(why.map(|it| it.to_string_lossy()).unwrap_or_default())
            }
            Err(error) => Chosen::Failed(said(&error)),
        }
    }

    fn function(&self, is_response: bool) -> Option<&Function> {
        match is_response {
            true => self.on_response.as_ref(),
            false => self.on_request.as_ref(),
        }
    }

    /// Begins to run for a direction, on the stream in the slot; none where there is nothing to do.
    pub(super) fn start(self: &Rc<Self>, is_response: bool) -> Option<(Running, Turn)> {
        let function = self.function(is_response)?;
        let begun = self.start.call::<(Table, u8, Option<LuaString>)>(function);
        let (run, number, why) = begun.ok()?;
        let running = Running {
            run,
            script: Rc::clone(self),
        };
        Some((running, Turn::of(number, why)))
    }
}

impl Running {
    /// Goes on, on the stream in the slot.
    pub(super) fn step(&self) -> Turn {
        match self.script.step.call::<(u8, Option<LuaString>)>(&self.run) {
            Ok((number, why)) => Turn::of(number, why),
            Err(error) => Turn::Failed(said(&error)),
        }
    }

    /// Where its stream goes for a turn.
    pub(super) fn slot(&self) -> &Slot {
        &self.script.slot
    }
}

/// What Lua itself says of an error.
fn said(error: &mlua::Error) -> String {
    match error {
        mlua::Error::SyntaxError { message, .. } => message.clone(),
        mlua::Error::RuntimeError(message) => {
            let text = message.split("\nstack traceback:").next();
            text.unwrap_or_default().to_owned()
        }
        mlua::Error::CallbackError { cause, .. } => said(cause),
        other => other.to_string(),
    }
}
