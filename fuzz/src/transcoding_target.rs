//! Between JSON and protobuf: no panic; the same messages however a body is split; what is written as JSON of a message
//! that was read from JSON reads as JSON that is written the same.

use std::sync::{Arc, OnceLock};

use nuncio_transcoding::descriptor::{MessageId, Pool};
use nuncio_transcoding::request::{Body, Options, Translator};
use nuncio_transcoding::response::{Print, json};
use nuncio_transcoding::template::{Table, TableOptions, Template};

/// The message of the differential suite that has a field of each kind.
static LIBRARY: &[u8] = include_bytes!("../../tests/differential/descriptors/library.pb");
const MESSAGES: [&str; 2] = ["library.Everything", "library.Book"];

/// What keeps a message that was read from JSON from being written.
const UNWRITABLE: [&str; 2] = [
    "allowed depth exceeded",
    "repeated entries for singular field number",
];

/// Reads the input behind its first two bytes: what it is, with the choices for it, and the length of the pieces.
pub fn transcoding(input: &[u8]) {
    let [choices, piece, bytes @ ..] = input else {
        return;
    };
    let bit = |number: u8| choices >> number & 1 == 1;
    let piece = usize::from(*piece % 16) + 1;
    let (pool, root) = library(bit(2));
    let print = Print {
        whitespace: bit(3),
        defaults: bit(4),
        enums_as_numbers: bit(5),
        file_names: bit(6),
    };
    match (bit(0), bit(1)) {
        (false, false) => from_json(&pool, root, bytes, piece, print),
        (false, true) => drop(json(&pool, root, bytes, print)),
        (true, false) => drop(Pool::read(bytes)),
        (true, true) => templates(bytes),
    }
}

fn library(is_book: bool) -> (Arc<Pool>, MessageId) {
    static POOL: OnceLock<Arc<Pool>> = OnceLock::new();
    let pool = POOL.get_or_init(|| Arc::new(Pool::read(LIBRARY).expect("the suite's descriptors")));
    let root = pool.find(MESSAGES[usize::from(is_book)]);
    (Arc::clone(pool), root.expect("the suite's message"))
}

fn from_json(pool: &Arc<Pool>, root: MessageId, bytes: &[u8], piece: usize, print: Print) {
    let whole = messages(pool, root, bytes, bytes.len().max(1));
    let split = messages(pool, root, bytes, piece);
    // Words of errors show what is around the fault, as far as it has come.
    assert_eq!(
        whole.as_ref().ok(),
        split.as_ref().ok(),
        "a split changes what is read"
    );
    for message in whole.unwrap_or_default() {
        let written = match json(pool, root, &message, print) {
            Ok(written) => written,
            Err(fault) if UNWRITABLE.iter().any(|words| fault.words.contains(words)) => continue,
            Err(fault) => panic!("what was read is not written: {}", fault.words),
        };
        let read = messages(pool, root, &written, written.len());
        // Maps that came in two parts may have a key twice, which is written as it is.
        if read.is_err_and(|words| words.ends_with("is already set.")) {
            continue;
        }
        let again = through(pool, root, &written, print);
        // The sign of a zero is lost the first time, as JSON's `-0` is an integer.
        if !written.windows(2).any(|two| two == b"-0") {
            assert_eq!(written, again, "it is read as another message");
        }
        assert_eq!(through(pool, root, &again, print), again, "it changes");
    }
}

/// What is written of what was written before, and so can be read.
fn through(pool: &Arc<Pool>, root: MessageId, written: &[u8], print: Print) -> Vec<u8> {
    let read = messages(pool, root, written, written.len()).expect("our own JSON is read");
    let [message] = read.as_slice() else {
        panic!("{} messages of one", read.len());
    };
    json(pool, root, message, print).expect("what was written before")
}

fn messages(
    pool: &Arc<Pool>,
    root: MessageId,
    bytes: &[u8],
    piece: usize,
) -> Result<Vec<Vec<u8>>, String> {
    let body = Body {
        path: Vec::new(),
        is_stream: false,
        refuses_collisions: false,
        options: Options::default(),
    };
    let mut translator = Translator::new(Arc::clone(pool), root, body, Vec::new());
    let mut read = Vec::new();
    for piece in bytes.chunks(piece) {
        read.append(&mut translator.feed(piece)?);
    }
    read.append(&mut translator.finish()?);
    Ok(read)
}

/// Lines are templates, the last one a path.
fn templates(bytes: &[u8]) {
    let mut table = Table::new(TableOptions::default());
    let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    let path = lines.pop().unwrap_or_default();
    for line in lines {
        if let Some(template) = std::str::from_utf8(line).ok().and_then(Template::parse) {
            table.insert("GET", template);
        }
    }
    drop(table.find("GET", path));
}
