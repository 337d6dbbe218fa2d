//! What Envoy 1.40 has beyond the published packages: `overlay.txt` -> the model.
//!
//! A line at the margin names a message or an enum; the indented lines below it
//! add to the message, or replace what has their number, and make up the enum anew:
//!
//! ```text
//! message FULL.NAME [work_in_progress | stable]
//!   oneof NAME [required]
//!   NUMBER NAME [repeated] TYPE [optional] [oneof=NAME] [deprecated] [since=VERSION] [RULE=VALUE ...]
//! enum FULL.NAME
//!   NUMBER NAME
//! ```
//!
//! A TYPE is a scalar's name or a full name. A RULE is the path in `validate.FieldRules`,
//! such as `repeated.items.string.min_len=1`. Lines that start with `#` are remarks.

use super::model::{EnumDef, EnumValueDef, FieldDef, Model, OneofDef};

const OVERLAY: &str = include_str!("overlay.txt");

/// `FieldDescriptorProto.Type` by its number, from 1.
const SCALARS: [&str; 18] = [
    "double", "float", "int64", "uint64", "int32", "fixed64", "fixed32", "bool", "string", "group",
    "message", "bytes", "uint32", "enum", "sfixed32", "sfixed64", "sint32", "sint64",
];
const MESSAGE: u32 = 11;
const ENUM: u32 = 14;

/// `validate.FieldRules` by field number, from 1.
const RULE_KINDS: [&str; 22] = [
    "float",
    "double",
    "int32",
    "int64",
    "uint32",
    "uint64",
    "sint32",
    "sint64",
    "fixed32",
    "fixed64",
    "sfixed32",
    "sfixed64",
    "bool",
    "string",
    "bytes",
    "enum",
    "message",
    "repeated",
    "map",
    "any",
    "duration",
    "timestamp",
];

enum Section {
    Message(String),
    Enum(String),
}

/// Adds the overlay.
///
/// # Panics
/// On a line that it cannot read, which it names.
pub(crate) fn apply(model: &mut Model) {
    // Types are told apart by what is known, so the enums come first.
    for enums_only in [true, false] {
        let mut section = None;
        for line in OVERLAY
            .lines()
            .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
        {
            let words: Vec<&str> = line.split_whitespace().collect();
            let result = match (&section, line.starts_with(' ')) {
                (_, false) => open(&words, enums_only, model).map(|opened| section = Some(opened)),
                (Some(Section::Enum(name)), true) if enums_only => {
                    enum_value(&words, model.enums.get_mut(name))
                }
                (Some(Section::Message(name)), true) if !enums_only => {
                    let name = name.clone();
                    message_line(&words, &name, model)
                }
                (section, true) => section.as_ref().map(|_| ()),
            };
            assert!(result.is_some(), "overlay.txt: {line}");
        }
    }
}

fn open(words: &[&str], enums_only: bool, model: &mut Model) -> Option<Section> {
    let name = (*words.get(1)?).to_owned();
    match *words.first()? {
        "enum" => {
            if enums_only {
                model.enums.insert(name.clone(), EnumDef::default());
            }
            Some(Section::Enum(name))
        }
        "message" => {
            let message = model.messages.entry(name.clone()).or_default();
            match words.get(2) {
                Some(&"work_in_progress") => message.work_in_progress = true,
                Some(&"stable") => message.work_in_progress = false,
                Some(_) => return None,
                None => {}
            }
            Some(Section::Message(name))
        }
        _ => None,
    }
}

fn enum_value(words: &[&str], enumeration: Option<&mut EnumDef>) -> Option<()> {
    let [number, name] = words else { return None };
    let value = EnumValueDef {
        number: number.parse().ok()?,
        name: (*name).to_owned(),
        ..EnumValueDef::default()
    };
    enumeration?.values.push(value);
    Some(())
}

fn message_line(words: &[&str], message: &str, model: &mut Model) -> Option<()> {
    if let ["oneof", name, options @ ..] = words {
        let oneof = OneofDef {
            name: (*name).to_owned(),
            required: options == ["required"],
        };
        model.messages.get_mut(message)?.oneofs.push(oneof);
        return Some(());
    }
    let oneofs = model.messages.get(message)?.oneofs.clone();
    let field = field(words, &oneofs, model)?;
    let fields = &mut model.messages.get_mut(message)?.fields;
    fields.retain(|known| known.number != field.number);
    fields.push(field);
    fields.sort_by_key(|field| field.number);
    Some(())
}

fn field(words: &[&str], oneofs: &[OneofDef], model: &Model) -> Option<FieldDef> {
    let [number, name, rest @ ..] = words else {
        return None;
    };
    let mut field = FieldDef {
        number: number.parse().ok()?,
        name: (*name).to_owned(),
        ..FieldDef::default()
    };
    let (repeated, rest) = match rest {
        ["repeated", rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let [type_name, options @ ..] = rest else {
        return None;
    };
    field.repeated = repeated;
    match SCALARS.iter().position(|scalar| scalar == type_name) {
        Some(index) => field.kind = index as u32 + 1,
        None => {
            field.kind = if model.enums.contains_key(*type_name) {
                ENUM
            } else {
                MESSAGE
            };
            field.type_name = (*type_name).to_owned();
        }
    }
    field.presence = !repeated && field.kind == MESSAGE;
    for option in options {
        match option.split_once('=') {
            None if *option == "optional" => field.presence = true,
            None if *option == "deprecated" => field.deprecated = true,
            Some(("since", version)) => field.deprecated_at = version.to_owned(),
            Some(("oneof", name)) => {
                field.oneof = Some(oneofs.iter().position(|oneof| oneof.name == name)?);
                field.presence = true;
            }
            Some((path, value)) => {
                let path: Vec<&str> = path.split('.').collect();
                field.rules.extend(field_rules(&path, value)?);
            }
            None => return None,
        }
    }
    Some(field)
}

/// One rule as an encoded `validate.FieldRules`.
fn field_rules(path: &[&str], value: &str) -> Option<Vec<u8>> {
    let [kind, rule, nested @ ..] = path else {
        return None;
    };
    let kind_number = RULE_KINDS.iter().position(|known| known == kind)? as u32 + 1;
    let rule_number = rule_number(kind, rule)?;
    let encoded = match (*kind, *rule) {
        ("repeated", "items") | ("map", "keys" | "values") => {
            delimited(rule_number, &field_rules(nested, value)?)
        }
        ("duration", "const" | "lt" | "lte" | "gt" | "gte") => {
            let seconds: u64 = value.strip_suffix('s')?.parse().ok()?;
            delimited(rule_number, &tagged(1, seconds))
        }
        ("double", "const" | "lt" | "lte" | "gt" | "gte") => {
            let mut encoded = varint(u64::from(rule_number) << 3 | 1);
            encoded.extend(value.parse::<f64>().ok()?.to_le_bytes());
            encoded
        }
        ("string", "pattern") => delimited(rule_number, value.as_bytes()),
        _ => tagged(rule_number, value.parse().ok()?),
    };
    Some(delimited(kind_number, &encoded))
}

/// The numbers of the rules that the overlay uses.
fn rule_number(kind: &str, rule: &str) -> Option<u32> {
    let number = match (kind, rule) {
        ("string", "min_len") => 2,
        ("string", "max_len") => 3,
        ("string", "pattern") => 6,
        ("string", "well_known_regex") => 24,
        ("string", "strict") => 25,
        ("enum", "defined_only") => 2,
        ("message", "skip") => 1,
        ("message", "required") => 2,
        ("repeated", "min_items") => 1,
        ("repeated", "max_items") => 2,
        ("repeated", "items") => 4,
        ("map", "keys") => 4,
        ("map", "values") => 5,
        ("duration", "lt") => 3,
        ("duration", "lte") => 4,
        ("duration", "gt") => 5,
        ("duration", "gte") => 6,
        ("double" | "uint32" | "uint64", "lt") => 2,
        ("double" | "uint32" | "uint64", "lte") => 3,
        ("double" | "uint32" | "uint64", "gt") => 4,
        ("double" | "uint32" | "uint64", "gte") => 5,
        _ => return None,
    };
    Some(number)
}

fn tagged(number: u32, value: u64) -> Vec<u8> {
    let mut encoded = varint(u64::from(number) << 3);
    encoded.extend(varint(value));
    encoded
}

fn delimited(number: u32, bytes: &[u8]) -> Vec<u8> {
    let mut encoded = varint(u64::from(number) << 3 | 2);
    encoded.extend(varint(bytes.len() as u64));
    encoded.extend_from_slice(bytes);
    encoded
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut encoded = Vec::new();
    while number >= 0x80 {
        encoded.push(number as u8 | 0x80);
        number >>= 7;
    }
    encoded.push(number as u8);
    encoded
}
