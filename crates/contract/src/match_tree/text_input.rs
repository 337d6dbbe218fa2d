//! An input by itself, for those who want the text and no tree around it.

use std::borrow::Cow;

use nuncio_config::typed::{Any, Ctx, Refused};

use super::input::{Fetched, Input};
use super::message::Extension;
use super::{MatchContext, MatchData};

/// A compiled input.
#[derive(Debug)]
pub struct TextInput(Input);

/// Has no actions, and allows all inputs of HTTP.
struct InputOnly<'c>(&'c mut Ctx);

impl MatchContext for InputOnly<'_> {
    type Action = ();

    fn ctx(&mut self) -> &mut Ctx {
        self.0
    }

    fn action(&mut self, _action: &Extension) -> Result<(), Refused> {
        Err(Refused)
    }
}

impl TextInput {
    /// Compiles an extension that is an input.
    ///
    /// # Errors
    /// When it is none, or not sound; what is wrong is said.
    pub fn compile(name: &str, config: &Any, ctx: &mut Ctx) -> Result<Self, Refused> {
        Input::of_config(name, config, &mut InputOnly(ctx)).map(TextInput)
    }

    /// What it gives of a stream; nothing where that is no text, or not there.
    pub fn text<'a>(&'a self, data: &MatchData<'a>) -> Option<Cow<'a, [u8]>> {
        match self.0.fetch(data) {
            Fetched::Text(text) => Some(text),
            Fetched::NotYet | Fetched::Absent | Fetched::Value(_) => None,
        }
    }
}
