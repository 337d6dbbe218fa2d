//! `custom_metric_conversions`: what becomes of a stat, by its full name.

use std::rc::Rc;
use std::time::{Instant, SystemTime};

use nuncio_config::message;
use nuncio_config::typed::{Ctx, FromValue, Refused, SupportTable};
use nuncio_contract::match_tree::{
    Extension, MatchContext, MatchData, MatchTree, MatcherMessage, Outcome, unknown_extension,
};
use nuncio_contract::stream_info::StreamInfo;
use nuncio_service_messages::otlp::KeyValue;

use crate::opentelemetry_log::KeyValueMessage;

const CONVERT: &str = "envoy.extensions.stat_sinks.open_telemetry.v3.SinkConfig.ConversionAction";
const DROP: &str = "envoy.extensions.stat_sinks.open_telemetry.v3.SinkConfig.DropAction";

message! {
    /// Another name, and labels.
    pub(crate) struct ConversionMessage: "envoy.extensions.stat_sinks.open_telemetry.v3.SinkConfig.ConversionAction" {
        metric_name: String,
        static_metric_labels: Vec<KeyValueMessage>,
    }
}

pub(super) fn support(table: &mut SupportTable) {
    ConversionMessage::support(table);
    table.add_message(DROP);
}

/// What becomes of a stat.
#[derive(Clone, Debug)]
pub(super) enum Conversion {
    /// Nothing.
    Drop,
    /// A metric of this name, with these attributes besides its tags.
    To(String, Vec<KeyValue>),
}

/// The tree.
#[derive(Debug)]
pub(super) struct Conversions(MatchTree<Conversion>);

struct Context<'c>(&'c mut Ctx);

impl MatchContext for Context<'_> {
    type Action = Conversion;

    fn ctx(&mut self) -> &mut Ctx {
        self.0
    }

    fn action(&mut self, action: &Extension) -> Result<Conversion, Refused> {
        let any = &action.typed_config;
        match any.type_name() {
            DROP => {
                any.decode::<()>(self.0)?;
                Ok(Conversion::Drop)
            }
            CONVERT => {
                let message: ConversionMessage = any.decode(self.0)?;
                let labels = message.static_metric_labels.iter();
                // As in Envoy, what is no text is an empty one.
                let labels = labels.map(|label| KeyValue::text(label.key(), label.text()));
                Ok(Conversion::To(
                    message.metric_name.clone(),
                    labels.collect(),
                ))
            }
            _ => Err(unknown_extension(action, self.0)),
        }
    }

    fn is_of_stats(&self) -> bool {
        true
    }
}

impl Conversions {
    pub(super) fn compile(message: &MatcherMessage, ctx: &mut Ctx) -> Result<Self, Refused> {
        MatchTree::compile(message, &mut Context(ctx)).map(Conversions)
    }

    /// What becomes of a stat; none: it stays what it is.
    pub(super) fn of(&self, name: &str) -> Option<&Conversion> {
        let nothing = StreamInfo::new(Rc::default(), SystemTime::UNIX_EPOCH, Instant::now());
        match self.0.find(&MatchData::of_stat(name, &nothing)) {
            Outcome::Action(conversion) => Some(conversion),
            Outcome::Nothing | Outcome::Undecided => None,
        }
    }
}
