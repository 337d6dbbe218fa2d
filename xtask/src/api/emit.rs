//! The model -> `tables.bin`, `strings.txt` and `layout.rs` of `nuncio-api`.
//!
//! Everything is little-endian 32-bit words in rows of fixed width, so that the
//! tables need no start-up work, no heap and no relocations. The widths and
//! columns are documented where they are read: `crates/api/src/tables.rs`.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use super::model::{EnumDef, FieldDef, MessageDef, Model};
use super::rules;

const NONE: u32 = u32::MAX;
const MESSAGE: u32 = 11;
const ENUM: u32 = 14;

/// The three generated files.
pub(crate) struct Generated {
    pub(crate) tables: Vec<u8>,
    pub(crate) strings: String,
    pub(crate) layout: String,
}

/// Values that rows refer to by index, each kept once.
#[derive(Default)]
pub(crate) struct Pools {
    strings: Vec<String>,
    string_ids: HashMap<String, u32>,
    numbers: Vec<u64>,
    lists: Vec<u32>,
    rules: Vec<u32>,
    rule_offsets: HashMap<Vec<u32>, u32>,
}

impl Pools {
    /// The id of `text`; the empty string has id 0.
    pub(crate) fn string(&mut self, text: &str) -> u32 {
        if self.strings.is_empty() {
            self.strings.push(String::new());
            self.string_ids.insert(String::new(), 0);
        }
        if let Some(id) = self.string_ids.get(text) {
            return *id;
        }
        let id = self.strings.len() as u32;
        self.strings.push(text.to_owned());
        self.string_ids.insert(text.to_owned(), id);
        id
    }

    pub(crate) fn number(&mut self, number: u64) -> u32 {
        let known = self.numbers.iter().position(|known| *known == number);
        let index = known.unwrap_or_else(|| {
            self.numbers.push(number);
            self.numbers.len() - 1
        });
        index as u32
    }

    pub(crate) fn number_pair(&mut self, first: u64, second: u64) -> u32 {
        let known = self
            .numbers
            .windows(2)
            .position(|pair| pair == [first, second]);
        let index = known.unwrap_or_else(|| {
            self.numbers.extend([first, second]);
            self.numbers.len() - 2
        });
        index as u32
    }

    pub(crate) fn list(&mut self, operands: &[u32]) -> u32 {
        let offset = self.lists.len() as u32;
        self.lists.push(operands.len() as u32);
        self.lists.extend_from_slice(operands);
        offset
    }

    pub(crate) fn rules(&mut self, words: &[u32]) -> u32 {
        if let Some(offset) = self.rule_offsets.get(words) {
            return *offset;
        }
        let offset = self.rules.len() as u32;
        self.rules.extend_from_slice(words);
        self.rule_offsets.insert(words.to_vec(), offset);
        offset
    }
}

#[derive(Default)]
struct Rows {
    messages: Vec<u32>,
    fields: Vec<u32>,
    fields_by_name: Vec<u32>,
    migrations: Vec<u32>,
    oneofs: Vec<u32>,
    enums: Vec<u32>,
    enum_values: Vec<u32>,
    successors: Vec<u32>,
}

struct Emitter<'a> {
    model: &'a Model,
    message_indexes: BTreeMap<&'a str, u32>,
    enum_indexes: BTreeMap<&'a str, u32>,
    pools: Pools,
    rows: Rows,
}

/// Lays the whole model out; `sources` is the text that the layout file names as its origin.
pub(crate) fn emit(model: &Model, sources: &[String]) -> Generated {
    let shown = model.messages.iter().filter(|message| !message.1.map_entry);
    let mut emitter = Emitter {
        model,
        message_indexes: shown
            .clone()
            .zip(0..)
            .map(|(message, index)| (message.0.as_str(), index))
            .collect(),
        enum_indexes: model
            .enums
            .keys()
            .zip(0..)
            .map(|(name, index)| (name.as_str(), index))
            .collect(),
        pools: Pools::default(),
        rows: Rows::default(),
    };
    emitter.pools.string("");
    for (index, (name, message)) in shown.clone().enumerate() {
        emitter.message(index as u32, name, message);
    }
    for (name, enumeration) in &model.enums {
        emitter.enumeration(name, enumeration);
    }
    emitter.successors(shown);
    emitter.finish(sources)
}

impl<'a> Emitter<'a> {
    fn message(&mut self, index: u32, name: &str, message: &MessageDef) {
        let first_field = self.rows.fields.len() / FIELD_WORDS;
        let first_oneof = self.rows.oneofs.len() / ONEOF_WORDS;
        let flags = flags(&[
            message.deprecated,
            message.work_in_progress,
            message.rules_disabled,
            message.rules_ignored,
        ]);
        let name = self.pools.string(name);
        let previous = self
            .pools
            .string(message.previous.as_deref().unwrap_or_default());
        let counts = message.fields.len() as u32 | (message.oneofs.len() as u32) << 16;
        self.rows.messages.extend([
            name,
            first_field as u32,
            counts,
            first_oneof as u32,
            previous,
            flags,
        ]);
        for oneof in &message.oneofs {
            let name = self.pools.string(&oneof.name);
            self.rows
                .oneofs
                .extend([name, u32::from(oneof.required), index]);
        }
        for field in &message.fields {
            self.field(index, first_oneof, field);
        }
        let mut by_name: Vec<usize> = (0..message.fields.len()).collect();
        by_name.sort_by_key(|position| &message.fields[*position].name);
        let by_name = by_name
            .into_iter()
            .map(|position| (first_field + position) as u32);
        self.rows.fields_by_name.extend(by_name);
    }

    fn field(&mut self, container: u32, first_oneof: usize, field: &FieldDef) {
        let entry = self
            .model
            .messages
            .get(&field.type_name)
            .filter(|message| message.map_entry);
        let (cardinality, key_kind, typed) = match entry {
            Some(entry) => (2, entry.fields[0].kind, &entry.fields[1]),
            None => (u32::from(field.repeated), 0, field),
        };
        let type_index = match typed.kind {
            MESSAGE => self.message_indexes.get(typed.type_name.as_str()),
            ENUM => self.enum_indexes.get(typed.type_name.as_str()),
            _ => Some(&0),
        };
        let type_index =
            *type_index.unwrap_or_else(|| panic!("{} is not in the model", typed.type_name));
        let field_flags = flags(&[
            field.presence,
            field.deprecated,
            field.disallowed_by_default,
            field.sensitive,
            field.work_in_progress,
        ]);
        if !field.renamed.is_empty() || !field.oneof_promotion.is_empty() {
            let index = self.rows.fields.len() / FIELD_WORDS;
            let row = [
                index as u32,
                self.pools.string(&field.renamed),
                self.pools.string(&field.oneof_promotion),
            ];
            self.rows.migrations.extend(row);
        }
        let row = [
            self.pools.string(&field.name),
            self.pools.string(&json_name(&field.name)),
            field.number,
            typed.kind | cardinality << 5 | key_kind << 7 | field_flags << 12,
            type_index | container << 16,
            field
                .oneof
                .map_or(NONE, |oneof| (first_oneof + oneof) as u32),
            if field.rules.is_empty() {
                NONE
            } else {
                rules::emit(&field.rules, &mut self.pools)
            },
            self.pools.string(&field.deprecated_at),
        ];
        self.rows.fields.extend(row);
    }

    fn enumeration(&mut self, name: &str, enumeration: &EnumDef) {
        let first = self.rows.enum_values.len() / ENUM_VALUE_WORDS;
        let name = self.pools.string(name);
        self.rows
            .enums
            .extend([name, first as u32, enumeration.values.len() as u32]);
        for value in &enumeration.values {
            let row = [
                self.pools.string(&value.name),
                value.number as u32,
                flags(&[value.deprecated, value.disallowed_by_default]),
                self.pools.string(&value.deprecated_at),
                self.pools.string(&value.renamed),
            ];
            self.rows.enum_values.extend(row);
        }
    }

    /// Rows of (previous message, message), for the way from v2 to v3.
    fn successors<'m>(&mut self, messages: impl Iterator<Item = (&'m String, &'m MessageDef)>) {
        let index = |name: &str| self.message_indexes.get(name).copied();
        let links = messages
            .filter_map(|(name, message)| Some((index(message.previous.as_ref()?)?, index(name)?)));
        let mut links: Vec<(u32, u32)> = links.collect();
        links.sort_unstable();
        self.rows.successors.extend(
            links
                .into_iter()
                .flat_map(|(previous, next)| [previous, next]),
        );
    }

    fn finish(self, sources: &[String]) -> Generated {
        let Pools {
            strings,
            numbers,
            lists,
            rules,
            ..
        } = self.pools;
        let mut offsets = vec![0u32];
        for string in &strings {
            offsets.push(offsets[offsets.len() - 1] + string.len() as u32 + 1);
        }
        let numbers: Vec<u32> = numbers
            .iter()
            .flat_map(|number| [*number as u32, (*number >> 32) as u32])
            .collect();
        let sections = [
            ("STRINGS", 1, offsets),
            ("MESSAGES", MESSAGE_WORDS, self.rows.messages),
            ("FIELDS", FIELD_WORDS, self.rows.fields),
            ("FIELDS_BY_NAME", 1, self.rows.fields_by_name),
            ("MIGRATIONS", 3, self.rows.migrations),
            ("ONEOFS", ONEOF_WORDS, self.rows.oneofs),
            ("ENUMS", 3, self.rows.enums),
            ("ENUM_VALUES", ENUM_VALUE_WORDS, self.rows.enum_values),
            ("SUCCESSORS", 2, self.rows.successors),
            ("NUMBERS", 2, numbers),
            ("LISTS", 1, lists),
            ("RULES", 1, rules),
        ];
        let mut layout = String::from(
            "//! Generated by `cargo run -p xtask -- api`; do not edit.\n//!\n//! Sources:\n",
        );
        for source in sources {
            writeln!(layout, "//! - {source}").expect("a String takes all");
        }
        layout.push_str("\nuse crate::tables::Section;\n\n");
        let mut tables = Vec::new();
        for (name, width, words) in sections {
            let (start, rows) = (tables.len() / 4, words.len() / width);
            writeln!(
                layout,
                "pub(crate) const {name}: Section = Section::new({start}, {width}, {rows});"
            )
            .expect("a String takes all");
            tables.extend(words.into_iter().flat_map(u32::to_le_bytes));
        }
        let strings: String = strings.into_iter().map(|string| string + "\n").collect();
        let (tables_sum, strings_sum) = (checksum(&tables), checksum(strings.as_bytes()));
        writeln!(layout, "\n/// FNV-1a of `tables.bin` and of `strings.txt`, as they were generated.\n#[cfg(test)]\npub(crate) const CHECKSUMS: [u64; 2] = [{tables_sum:#018x}, {strings_sum:#018x}];").expect("a String takes all");
        Generated {
            tables,
            strings,
            layout,
        }
    }
}

const MESSAGE_WORDS: usize = 6;
const FIELD_WORDS: usize = 8;
const ONEOF_WORDS: usize = 3;
const ENUM_VALUE_WORDS: usize = 5;

fn flags(flags: &[bool]) -> u32 {
    flags
        .iter()
        .zip(0..)
        .map(|(flag, bit)| u32::from(*flag) << bit)
        .sum()
}

/// The lowerCamelCase name as protobuf's JSON mapping makes it.
fn json_name(name: &str) -> String {
    let mut json_name = String::new();
    let mut capital = false;
    for character in name.chars() {
        match character {
            '_' => capital = true,
            _ if capital => {
                json_name.push(character.to_ascii_uppercase());
                capital = false;
            }
            _ => json_name.push(character),
        }
    }
    json_name
}

/// FNV-1a, 64 bits.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
