//! What the value of an input has to be like. What is not there matches nothing.

use std::net::IpAddr;

use nuncio_config::typed::{Ctx, FromValue, Refused, SupportTable};

use super::build::unknown;
use super::input::{Fetched, Given, Input};
use super::message::{
    ConsistentHashing, Extension, IpTextMatcher, MetadataMatcher, RuntimeFraction, SingleKind,
    XdsPattern, XdsStringMatcher,
};
use crate::hash::xxh64;
use crate::matching::{
    AddressRanges, CompiledRegex, CompiledStringMatcher, CompiledValueMatcher,
    RuntimeFractionalPercent,
};

const CONSISTENT_HASHING: &str =
    "envoy.extensions.matching.input_matchers.consistent_hashing.v3.ConsistentHashing";
const RUNTIME_FRACTION: &str =
    "envoy.extensions.matching.input_matchers.runtime_fraction.v3.RuntimeFraction";
const METADATA: &str = "envoy.extensions.matching.input_matchers.metadata.v3.Metadata";
const IP: &str = "envoy.extensions.matching.input_matchers.ip.v3.Ip";
/// What Envoy has besides, and Nuncio not yet.
const NOT_YET: &str =
    "envoy.extensions.matching.input_matchers.dynamic_modules.v3.DynamicModuleMatcher";

/// Adds the matchers.
pub(super) fn support(table: &mut SupportTable) {
    ConsistentHashing::support(table);
    RuntimeFraction::support(table);
    MetadataMatcher::support(table);
    IpTextMatcher::support(table);
}

/// A matcher of one value.
#[derive(Debug)]
pub(super) enum ValueTest {
    Text(CompiledStringMatcher),
    /// The rest by `modulo` of the hash is `threshold` or more.
    Hashed {
        threshold: u64,
        modulo: u64,
        seed: u64,
    },
    Fraction {
        fraction: Box<RuntimeFractionalPercent>,
        seed: u64,
    },
    Metadata {
        matcher: CompiledValueMatcher,
        invert: bool,
    },
    /// It is an address of these ranges.
    Addresses(AddressRanges),
}

impl ValueTest {
    pub(super) fn compile(kind: &SingleKind, ctx: &mut Ctx) -> Result<Self, Refused> {
        match kind {
            SingleKind::Value(matcher) => text(matcher, ctx).map(ValueTest::Text),
            SingleKind::Custom(extension) => Self::custom(extension, ctx),
        }
    }

    fn custom(extension: &Extension, ctx: &mut Ctx) -> Result<Self, Refused> {
        let any = &extension.typed_config;
        match any.type_name() {
            CONSISTENT_HASHING => {
                let config: ConsistentHashing = any.decode(ctx)?;
                if config.threshold > config.modulo {
                    let text = format!(
                        "threshold cannot be greater than modulo: {} > {}",
                        config.threshold, config.modulo
                    );
                    ctx.error(any.span, text);
                    return Err(Refused);
                }
                Ok(ValueTest::Hashed {
                    threshold: config.threshold.into(),
                    modulo: config.modulo.into(),
                    seed: config.seed,
                })
            }
            RUNTIME_FRACTION => {
                let config: RuntimeFraction = any.decode(ctx)?;
                Ok(ValueTest::Fraction {
                    fraction: Box::new(config.runtime_fraction),
                    seed: config.seed,
                })
            }
            METADATA => {
                let config: MetadataMatcher = any.decode(ctx)?;
                Ok(ValueTest::Metadata {
                    matcher: CompiledValueMatcher::compile(&config.value, ctx)?,
                    invert: config.invert,
                })
            }
            IP => {
                let config: IpTextMatcher = any.decode(ctx)?;
                AddressRanges::compile(&config.cidr_ranges, ctx).map(ValueTest::Addresses)
            }
            kind if kind == NOT_YET => {
                Err(ctx.unsupported_here(any.span, format!("the input matcher `{kind}`")))
            }
            _ => Err(unknown(extension, ctx)),
        }
    }

    /// Whether it can be asked about what `input` gives. Of a text a matcher of metadata says no, as in Envoy.
    pub(super) fn takes(&self, input: &Input) -> bool {
        match input.gives() {
            Given::Text => true,
            Given::Value => matches!(self, ValueTest::Metadata { .. }),
            Given::Attributes => false,
        }
    }

    pub(super) fn matches(&self, fetched: &Fetched<'_>) -> bool {
        match (self, fetched) {
            (ValueTest::Text(matcher), Fetched::Text(text)) => matcher.matches(text),
            (
                ValueTest::Hashed {
                    threshold,
                    modulo,
                    seed,
                },
                Fetched::Text(text),
            ) => xxh64(text, *seed)
                .checked_rem(*modulo)
                .is_some_and(|rest| rest >= *threshold),
            (ValueTest::Fraction { fraction, seed }, Fetched::Text(text)) => {
                fraction.chooses(xxh64(text, *seed))
            }
            (ValueTest::Addresses(ranges), Fetched::Text(text)) => {
                let text = std::str::from_utf8(text).ok();
                let address = text.and_then(|text| text.parse::<IpAddr>().ok());
                address.is_some_and(|address| ranges.contains(address))
            }
            (ValueTest::Metadata { matcher, invert }, Fetched::Value(value)) => {
                matcher.matches(value) != *invert
            }
            _ => false,
        }
    }
}

fn text(matcher: &XdsStringMatcher, ctx: &mut Ctx) -> Result<CompiledStringMatcher, Refused> {
    let compiled = match &matcher.match_pattern {
        XdsPattern::Exact(text) => CompiledStringMatcher::exact(text),
        XdsPattern::Prefix(text) => CompiledStringMatcher::prefix(text),
        XdsPattern::Suffix(text) => CompiledStringMatcher::suffix(text),
        XdsPattern::Contains(text) => CompiledStringMatcher::contains(text),
        XdsPattern::SafeRegex(regex) => {
            let compiled = CompiledRegex::at_place(&regex.regex, ctx)?;
            return Ok(CompiledStringMatcher::regex(compiled));
        }
    };
    Ok(compiled.ignoring_case(matcher.ignore_case))
}
