//! The texts of `--help` and of mistakes, laid out as TCLAP does, 75 columns wide.

use super::flags::{self, Flag, Kind};

const COLUMNS: usize = 75;

/// The whole `--help`: Envoy's, then Nuncio's own flags and commands.
pub(super) fn help(program: &str, commands: &str) -> String {
    let mut out = format!("\nUSAGE: \n\n{}\n\nWhere: \n\n", brief(program));
    flags::ENVOY.iter().for_each(|flag| explain(flag, &mut out));
    out += "\n   envoy\n\nNuncio's own: \n\n";
    flags::OWN.iter().for_each(|flag| explain(flag, &mut out));
    out += "Commands, as the first argument: \n\n";
    out += commands;
    out += "\n   Without arguments a demo runs.\n\n";
    out
}

/// What a mistake prints.
pub(super) fn mistake(program: &str, argument: &str, error: &str) -> String {
    format!(
        "PARSE ERROR: Argument: {argument}\n             {error}\n\nBrief USAGE: \n{}\nFor complete USAGE and HELP \
         type: \n   {program} --help\n\n{argument} -- {error}\n",
        brief(program)
    )
}

/// All flags of Envoy's in short.
fn brief(program: &str) -> String {
    let mut text = format!("{program} ");
    for flag in flags::ENVOY {
        text.push(' ');
        text += &short_form(flag);
    }
    let mut out = String::new();
    let hang = (program.len() + 2).min(COLUMNS / 2);
    wrap(&text, 3, hang, &mut out);
    out
}

fn explain(flag: &Flag, out: &mut String) {
    let value = value_form(flag);
    let long = format!("--{}{value}", flag.long);
    let more = if flag.kind == Kind::Texts {
        "  (accepted multiple times)"
    } else {
        ""
    };
    let head = match flag.short {
        0 => format!("{long}{more}"),
        short => format!("-{}{value},  {long}{more}", char::from(short)),
    };
    wrap(&head, 3, 3, out);
    wrap(flag.help, 5, 0, out);
    out.push('\n');
}

fn short_form(flag: &Flag) -> String {
    let value = value_form(flag);
    let more = if flag.kind == Kind::Texts { " ..." } else { "" };
    match flag.short {
        0 => format!("[--{}{value}]{more}", flag.long),
        short => format!("[-{}{value}]{more}", char::from(short)),
    }
}

fn value_form(flag: &Flag) -> &'static str {
    match flag.kind {
        Kind::Switch => "",
        Kind::Number => " <uint32_t>",
        Kind::Text | Kind::Texts => " <string>",
    }
}

/// Writes a text in lines of at most [`COLUMNS`], indented, later lines by `hang` more. Lines break at the last
/// space, comma or bar, which stays; what has no such place is cut.
fn wrap(text: &str, indent: usize, hang: usize, out: &mut String) {
    let mut line = |indent: usize, text: &str| {
        out.extend(std::iter::repeat_n(' ', indent));
        *out += text;
        out.push('\n');
    };
    if text.len() + indent <= COLUMNS {
        line(indent, text);
        return;
    }
    let (mut rest, mut indent, mut is_first) = (text, indent, true);
    while !rest.is_empty() {
        let (now, after) = rest.split_at(break_at(rest, COLUMNS - indent));
        line(indent, now);
        if std::mem::take(&mut is_first) {
            indent += hang;
        }
        rest = after.trim_start_matches(' ');
    }
}

/// How many bytes of the text go on a line of at most `allowed`.
fn break_at(text: &str, allowed: usize) -> usize {
    let mut length = text.floor_char_boundary(allowed);
    if text.len() >= allowed {
        let is_place = |at: &usize| matches!(text.as_bytes().get(*at), Some(b' ' | b',' | b'|'));
        length = (1..=length).rev().find(is_place).unwrap_or(length);
    }
    let newline = text.get(..length).and_then(|line| line.find('\n'));
    newline.map_or(length, |at| at + 1)
}
