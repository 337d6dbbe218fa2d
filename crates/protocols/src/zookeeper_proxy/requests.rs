//! Reads requests.

use super::opcode::Op;
use super::outstanding::xid;
use super::reader::{Reader, Unreadable};

/// The least that is behind a packet's length.
pub(super) const LEAST_BYTES: usize = 8;

/// What a request says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said<'a> {
    /// An operation, and what it is about.
    Op(Op, About<'a>),
    /// An operation within another, which is not counted with its bytes.
    Part(Op, About<'a>),
    /// A connection that only wants to read.
    ConnectReadOnly,
    /// A client's name, of this scheme.
    Auth(&'a [u8]),
    /// Nobody knows what.
    Unknown,
}

/// What an operation is about, as far as the metadata tells.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct About<'a> {
    pub(super) path: Option<&'a [u8]>,
    pub(super) create_type: Option<&'static str>,
    pub(super) watch: Option<bool>,
    pub(super) version: Option<i32>,
    pub(super) mode: Option<i32>,
}

/// A request that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// None for what nobody knows.
    pub(super) op: Option<Op>,
    pub(super) is_read_only: bool,
    pub(super) xid: i32,
    pub(super) bytes: usize,
}

/// A request that cannot be read, and its kind where Envoy counts that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bad(pub(super) Option<Op>);

impl From<Unreadable> for Bad {
    fn from(_: Unreadable) -> Self {
        Bad(None)
    }
}

/// Reads one request and tells `tell` what it says.
pub(super) fn read<'a>(
    reader: &mut Reader<'a>,
    max_bytes: usize,
    tell: &mut dyn FnMut(Said<'a>),
) -> Result<Request, Bad> {
    let begin = reader.offset();
    reader.begin();
    let length = usize::try_from(reader.int()?).map_err(|_| Bad(None))?;
    if length < LEAST_BYTES || length > max_bytes {
        return Err(Bad(None));
    }
    let xid = reader.int()?;
    let mut is_read_only = false;
    let of = |op: Op| move |_: Unreadable| Bad(Some(op));
    let op = match xid {
        xid::CONNECT => {
            is_read_only = connect(reader, length)?;
            tell(match is_read_only {
                true => Said::ConnectReadOnly,
                false => Said::Op(Op::Connect, About::default()),
            });
            Some(Op::Connect)
        }
        xid::PING => {
            reader.skip(4);
            tell(Said::Op(Op::Ping, About::default()));
            Some(Op::Ping)
        }
        xid::AUTH => {
            tell(Said::Auth(auth(reader, length).map_err(of(Op::Auth))?));
            Some(Op::Auth)
        }
        xid::SET_WATCHES => {
            reader.skip(4);
            watches(reader, length, 3).map_err(of(Op::SetWatches))?;
            tell(Said::Op(Op::SetWatches, About::default()));
            Some(Op::SetWatches)
        }
        _ => {
            let op = Op::from_wire(reader.int()?);
            match op {
                None => tell(Said::Unknown),
                Some(Op::Multi) => multi(reader, length, tell)?,
                Some(op) => {
                    let about = operation(op, reader, length).map_err(of(op))?;
                    tell(Said::Op(op, about));
                }
            }
            op
        }
    };
    Ok(Request {
        op,
        is_read_only,
        xid,
        bytes: reader.offset() - begin,
    })
}

/// Whether a packet says that it has so many bytes.
fn at_least(length: usize, least: usize) -> Result<(), Unreadable> {
    match length >= least {
        true => Ok(()),
        false => Err(Unreadable),
    }
}

fn connect(reader: &mut Reader<'_>, length: usize) -> Result<bool, Unreadable> {
    at_least(length, 28)?;
    // The last transaction that was seen, the timeout, the session.
    reader.skip(20);
    reader.skip_text()?;
    reader.bool_if_there()
}

fn auth<'a>(reader: &mut Reader<'a>, length: usize) -> Result<&'a [u8], Unreadable> {
    at_least(length, 20)?;
    // The operation and the type.
    reader.skip(8);
    let scheme = reader.text()?;
    reader.skip_text()?;
    Ok(scheme)
}

fn watches(reader: &mut Reader<'_>, length: usize, lists: usize) -> Result<(), Unreadable> {
    at_least(length, LEAST_BYTES + 4 * lists)?;
    // The last transaction that was seen.
    reader.skip(8);
    for _ in 0..lists {
        reader.skip_texts()?;
    }
    Ok(())
}

fn operation<'a>(op: Op, reader: &mut Reader<'a>, length: usize) -> Result<About<'a>, Unreadable> {
    at_least(length, least_bytes(op))?;
    let mut about = About::default();
    match op {
        Op::Create | Op::Create2 | Op::CreateContainer | Op::CreateTtl => {
            about.path = Some(reader.text()?);
            reader.skip_text()?;
            skip_acls(reader)?;
            about.create_type = Some(create_type(reader.int()?));
            if op == Op::CreateTtl {
                let _ttl = reader.long()?;
            }
        }
        Op::SetData => {
            about.path = Some(reader.text()?);
            reader.skip_text()?;
            let _version = reader.int()?;
        }
        Op::GetData | Op::Exists | Op::GetChildren | Op::GetChildren2 => {
            about.path = Some(reader.text()?);
            about.watch = Some(reader.bool()?);
        }
        Op::Delete => {
            about.path = Some(reader.text()?);
            about.version = Some(reader.int()?);
        }
        Op::GetAcl | Op::Sync | Op::GetEphemerals | Op::GetAllChildrenNumber => {
            about.path = Some(reader.text()?);
        }
        Op::SetAcl => {
            about.path = Some(reader.text()?);
            skip_acls(reader)?;
            about.version = Some(reader.int()?);
        }
        Op::Check => {
            let (_path, _version) = (reader.text()?, reader.int()?);
        }
        Op::CheckWatches | Op::RemoveWatches => {
            about.path = Some(reader.text()?);
            let _kind = reader.int()?;
        }
        Op::AddWatch => {
            about.path = Some(reader.text()?);
            about.mode = Some(reader.int()?);
        }
        Op::Reconfig => {
            for _ in 0..3 {
                reader.skip_text()?;
            }
            let _version = reader.long()?;
        }
        Op::SetWatches => watches(reader, length, 3)?,
        Op::SetWatches2 => watches(reader, length, 5)?,
        Op::Close | Op::Connect | Op::Ping | Op::Auth | Op::SetAuth | Op::Multi => {}
    }
    Ok(about)
}

/// What a packet has to say that it has, whatever is in it.
const fn least_bytes(op: Op) -> usize {
    match op {
        Op::Create | Op::Create2 | Op::CreateContainer | Op::CreateTtl | Op::SetData => 20,
        Op::Delete | Op::SetAcl | Op::Check => 16,
        Op::CheckWatches | Op::RemoveWatches | Op::AddWatch => 16,
        Op::GetData | Op::Exists | Op::GetChildren | Op::GetChildren2 => 13,
        Op::GetAcl | Op::Sync | Op::GetEphemerals | Op::GetAllChildrenNumber => 12,
        Op::Reconfig => 28,
        _ => LEAST_BYTES,
    }
}

fn skip_acls(reader: &mut Reader<'_>) -> Result<(), Unreadable> {
    let count = reader.int()?;
    for _ in 0..count.max(0) {
        let _permissions = reader.int()?;
        reader.skip_text()?;
        reader.skip_text()?;
    }
    Ok(())
}

/// Reads the operations of a transaction.
fn multi<'a>(
    reader: &mut Reader<'a>,
    length: usize,
    tell: &mut dyn FnMut(Said<'a>),
) -> Result<(), Bad> {
    let of_multi = |_| Bad(Some(Op::Multi));
    at_least(length, 17).map_err(of_multi)?;
    loop {
        let code = reader.int().map_err(of_multi)?;
        let is_last = reader.bool().map_err(of_multi)?;
        let _error = reader.int().map_err(of_multi)?;
        if is_last {
            break;
        }
        let op = match Op::from_wire(code) {
            Some(
                op @ (Op::Create
                | Op::Create2
                | Op::CreateContainer
                | Op::CreateTtl
                | Op::SetData
                | Op::GetData
                | Op::GetChildren
                | Op::Delete
                | Op::Check),
            ) => op,
            _ => return Err(Bad(None)),
        };
        let about = operation(op, reader, length).map_err(|_| Bad(Some(op)))?;
        tell(Said::Part(op, about));
    }
    tell(Said::Op(Op::Multi, About::default()));
    Ok(())
}

/// What kind of node is made.
fn create_type(flags: i32) -> &'static str {
    match flags {
        0 => "persistent",
        1 => "ephemeral",
        2 => "persistent_sequential",
        3 => "ephemeral_sequential",
        4 => "container",
        5 => "persistent_with_ttl",
        6 => "persistent_sequential_with_ttl",
        _ => "unknown",
    }
}
