//! Reads messages.

use super::bson::{Document, Reader, Unreadable};
use super::framing::HEAD_BYTES;

/// A message.
#[derive(Debug, PartialEq)]
pub(super) enum Message<'a> {
    Query(Query<'a>),
    Reply(Reply),
    GetMore,
    /// Of documents, into this collection.
    Insert(&'a [u8]),
    KillCursors,
    Command,
    CommandReply,
}

/// What a client asks for.
#[derive(Debug, PartialEq)]
pub(super) struct Query<'a> {
    pub(super) id: i32,
    pub(super) flags: i32,
    pub(super) collection: &'a [u8],
    pub(super) query: Document<'a>,
}

/// What a server answers.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) to: i32,
    pub(super) flags: i32,
    pub(super) cursor: i64,
    pub(super) documents: usize,
    pub(super) document_bytes: usize,
}

/// Reads a whole message, and says how much of it nobody has asked for.
pub(super) fn read(bytes: &[u8], max_depth: usize) -> Result<(Message<'_>, usize), Unreadable> {
    let (head, body) = bytes.split_at_checked(HEAD_BYTES).ok_or(Unreadable)?;
    let mut head = Reader::new(head, max_depth);
    let [_length, id, to, kind] = [head.int()?, head.int()?, head.int()?, head.int()?];
    let mut body = Reader::new(body, max_depth);
    let message = read_kind(kind, [id, to], &mut body)?;
    Ok((message, body.rest_bytes()))
}

fn read_kind<'a>(
    kind: i32,
    [id, to]: [i32; 2],
    body: &mut Reader<'a>,
) -> Result<Message<'a>, Unreadable> {
    match kind {
        1 => reply(to, body).map(Message::Reply),
        2002 => {
            let _flags = body.int()?;
            let collection = body.name()?;
            body.skip_documents()?;
            Ok(Message::Insert(collection))
        }
        2004 => query(id, body).map(Message::Query),
        2005 => {
            let (_zero, _collection) = (body.int()?, body.name()?);
            let (_count, _cursor) = (body.int()?, body.long()?);
            Ok(Message::GetMore)
        }
        2007 => {
            let (_zero, count) = (body.int()?, body.int()?);
            for _ in 0..count.max(0) {
                body.long()?;
            }
            Ok(Message::KillCursors)
        }
        2010 => {
            let (_database, _name) = (body.name()?, body.name()?);
            let (_metadata, _arguments) = (body.skip_document()?, body.skip_document()?);
            body.skip_documents()?;
            Ok(Message::Command)
        }
        2011 => {
            let (_metadata, _reply) = (body.skip_document()?, body.skip_document()?);
            body.skip_documents()?;
            Ok(Message::CommandReply)
        }
        _ => Err(Unreadable),
    }
}

fn query<'a>(id: i32, body: &mut Reader<'a>) -> Result<Query<'a>, Unreadable> {
    let (flags, collection) = (body.int()?, body.name()?);
    let (_skip, _count) = (body.int()?, body.int()?);
    let query = body.document()?;
    if !body.is_at_end() {
        let _fields = body.skip_document()?;
    }
    Ok(Query {
        id,
        flags,
        collection,
        query,
    })
}

fn reply(to: i32, body: &mut Reader<'_>) -> Result<Reply, Unreadable> {
    let (flags, cursor) = (body.int()?, body.long()?);
    let (_from, count) = (body.int()?, body.int()?);
    let mut reply = Reply {
        to,
        flags,
        cursor,
        documents: 0,
        document_bytes: 0,
    };
    for _ in 0..count.max(0) {
        reply.document_bytes += body.skip_document()?;
        reply.documents += 1;
    }
    Ok(reply)
}
