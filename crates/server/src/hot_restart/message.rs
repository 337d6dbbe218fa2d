//! What the processes of a hot restart say to each other: bytes in, messages out; no sockets, no clock.
//!
//! A frame is a header of 12 bytes and a payload: the magic `NHRT`, the protocol's version (u16), the kind (u16)
//! and the payload's length (u32), all big endian. Numbers in a payload are big endian too, texts have their
//! length (u16) before them, lists the number of their entries (u32).
//!
//! Limits: a payload has at most 1 MiB, a text at most 65,535 bytes. Whatever does not fit exactly is refused.
//! Differs from Envoy, whose protocol is protobuf over datagrams: Nuncio speaks with Nuncio alone.

/// The protocol's version; frames of another one are refused.
pub(super) const VERSION: u16 = 1;
/// The size of a frame's header.
pub(super) const HEADER_BYTES: usize = 12;
/// The largest payload.
pub(super) const MAX_PAYLOAD_BYTES: usize = 1 << 20;

const MAGIC: [u8; 4] = *b"NHRT";

/// A named number.
pub(super) type Stat = (String, u64);

/// One thing said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// The child begins: its epoch.
    Hello { epoch: u32 },
    /// The parent takes it on: when the first of all epochs started, and how many there were up to the parent.
    Welcome { first_start_s: u64, generation: u64 },
    /// The parent does not do it.
    Refused { why: String },
    /// The parent's admin is to let its address go.
    ShutDownAdmin,
    /// The parent did as it was told.
    Done,
    /// The child wants the sockets of an address, from the `first` on.
    PassSockets { address: String, first: u32 },
    /// How many sockets there are in all; those that fit come with it.
    Sockets { total: u32 },
    /// The child wants to know what was counted.
    TellStats,
    /// Counters since the parent's start and gauges that are not zero; whether more frames follow.
    Stats {
        more: bool,
        counters: Vec<Stat>,
        gauges: Vec<Stat>,
    },
    /// The parent is to stop accepting and to see its connections off.
    Drain,
    /// The parent is to end.
    Terminate,
}

/// Bytes that are no message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Malformed {
    /// Something else speaks there.
    NotOurs,
    /// A Nuncio with another protocol.
    Version(u16),
    /// A payload beyond the limit.
    TooLong(u32),
    /// A payload that is not what its kind says.
    Payload,
}

impl std::fmt::Display for Malformed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotOurs => formatter.write_str("it does not speak Nuncio's hot restart protocol"),
            Self::Version(version) => write!(
                formatter,
                "it speaks version {version} of the hot restart protocol, this one version {VERSION}"
            ),
            Self::TooLong(bytes) => write!(formatter, "it sent a message of {bytes} bytes"),
            Self::Payload => formatter.write_str("it sent a message that cannot be read"),
        }
    }
}

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    kind: u16,
    /// The payload's size.
    pub(super) payload_bytes: usize,
}

impl Header {
    /// Reads a header.
    pub(super) fn read(bytes: &[u8; HEADER_BYTES]) -> Result<Header, Malformed> {
        let mut reader = Reader(bytes);
        if reader.take(MAGIC.len())? != MAGIC {
            return Err(Malformed::NotOurs);
        }
        let version = reader.u16()?;
        if version != VERSION {
            return Err(Malformed::Version(version));
        }
        let (kind, length) = (reader.u16()?, reader.u32()?);
        match usize::try_from(length) {
            Ok(payload_bytes) if payload_bytes <= MAX_PAYLOAD_BYTES => Ok(Header {
                kind,
                payload_bytes,
            }),
            _ => Err(Malformed::TooLong(length)),
        }
    }
}

impl Message {
    /// The whole frame. Lists and texts must fit; [`chunks`] makes lists that do.
    pub(super) fn frame(&self) -> Vec<u8> {
        let mut payload = Vec::new();
        self.write(&mut payload);
        let mut frame = Vec::with_capacity(HEADER_BYTES + payload.len());
        frame.extend_from_slice(&MAGIC);
        frame.extend_from_slice(&VERSION.to_be_bytes());
        frame.extend_from_slice(&self.kind().to_be_bytes());
        frame.extend_from_slice(&length(payload.len()).to_be_bytes());
        frame.extend_from_slice(&payload);
        frame
    }

    fn kind(&self) -> u16 {
        match self {
            Self::Hello { .. } => 1,
            Self::Welcome { .. } => 2,
            Self::Refused { .. } => 3,
            Self::ShutDownAdmin => 4,
            Self::Done => 5,
            Self::PassSockets { .. } => 6,
            Self::Sockets { .. } => 7,
            Self::TellStats => 8,
            Self::Stats { .. } => 9,
            Self::Drain => 10,
            Self::Terminate => 11,
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Hello { epoch: number } | Self::Sockets { total: number } => {
                out.extend_from_slice(&number.to_be_bytes());
            }
            Self::Welcome {
                first_start_s,
                generation,
            } => {
                out.extend_from_slice(&first_start_s.to_be_bytes());
                out.extend_from_slice(&generation.to_be_bytes());
            }
            Self::Refused { why } => write_text(why, out),
            Self::PassSockets { address, first } => {
                write_text(address, out);
                out.extend_from_slice(&first.to_be_bytes());
            }
            Self::Stats {
                more,
                counters,
                gauges,
            } => {
                out.push(u8::from(*more));
                for list in [counters, gauges] {
                    out.extend_from_slice(&length(list.len()).to_be_bytes());
                    for (name, value) in list {
                        write_text(name, out);
                        out.extend_from_slice(&value.to_be_bytes());
                    }
                }
            }
            Self::ShutDownAdmin | Self::Done | Self::TellStats | Self::Drain | Self::Terminate => {}
        }
    }

    /// Reads the payload that came after a header.
    pub(super) fn read(header: Header, payload: &[u8]) -> Result<Message, Malformed> {
        let mut reader = Reader(payload);
        let message = match header.kind {
            1 => Self::Hello {
                epoch: reader.u32()?,
            },
            2 => Self::Welcome {
                first_start_s: reader.u64()?,
                generation: reader.u64()?,
            },
            3 => Self::Refused {
                why: reader.text()?,
            },
            4 => Self::ShutDownAdmin,
            5 => Self::Done,
            6 => Self::PassSockets {
                address: reader.text()?,
                first: reader.u32()?,
            },
            7 => Self::Sockets {
                total: reader.u32()?,
            },
            8 => Self::TellStats,
            9 => Self::Stats {
                more: reader.bool()?,
                counters: reader.stats()?,
                gauges: reader.stats()?,
            },
            10 => Self::Drain,
            11 => Self::Terminate,
            _ => return Err(Malformed::Payload),
        };
        match reader.0 {
            [] => Ok(message),
            _ => Err(Malformed::Payload),
        }
    }
}

/// Stats in as many messages as they need; one at least.
pub(super) fn chunks(counters: Vec<Stat>, gauges: Vec<Stat>) -> Vec<Message> {
    const FIXED_BYTES: usize = 9;
    let bytes = |stat: &Stat| 2 + stat.0.len().min(usize::from(u16::MAX)) + 8;
    let mut chunks = Vec::new();
    let (mut now, mut room) = ([Vec::new(), Vec::new()], MAX_PAYLOAD_BYTES - FIXED_BYTES);
    for (list, stats) in [counters, gauges].into_iter().enumerate() {
        for stat in stats {
            let needed = bytes(&stat);
            if needed > room {
                chunks.push(std::mem::take(&mut now));
                room = MAX_PAYLOAD_BYTES - FIXED_BYTES;
            }
            room -= needed;
            if let Some(list) = now.get_mut(list) {
                list.push(stat);
            }
        }
    }
    chunks.push(now);
    let last = chunks.len() - 1;
    let message = |(at, [counters, gauges]): (usize, [Vec<Stat>; 2])| Message::Stats {
        more: at < last,
        counters,
        gauges,
    };
    chunks.into_iter().enumerate().map(message).collect()
}

fn length(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// A text of at most 65,535 bytes; what is longer is cut.
fn write_text(text: &str, out: &mut Vec<u8>) {
    let text = text
        .get(..text.floor_char_boundary(usize::from(u16::MAX)))
        .unwrap_or_default();
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// What is left to read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, bytes: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(bytes).ok_or(Malformed::Payload)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const BYTES: usize>(&mut self) -> Result<[u8; BYTES], Malformed> {
        let taken = self.take(BYTES)?;
        taken.try_into().map_err(|_| Malformed::Payload)
    }

    fn bool(&mut self) -> Result<bool, Malformed> {
        match self.array()? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err(Malformed::Payload),
        }
    }

    fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_be_bytes)
    }

    fn text(&mut self) -> Result<String, Malformed> {
        let length = self.u16()?.into();
        let text = std::str::from_utf8(self.take(length)?);
        text.map(str::to_owned).map_err(|_| Malformed::Payload)
    }

    /// Grows with what is there, whatever number the list claims to have.
    fn stats(&mut self) -> Result<Vec<Stat>, Malformed> {
        let count = self.u32()?;
        (0..count)
            .map(|_| Ok((self.text()?, self.u64()?)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Message> {
        let stat = |name: &str, value| (name.to_owned(), value);
        vec![
            Message::Hello { epoch: 7 },
            Message::Welcome {
                first_start_s: 1 << 40,
                generation: 3,
            },
            Message::Refused {
                why: "früher".to_owned(),
            },
            Message::ShutDownAdmin,
            Message::Done,
            Message::PassSockets {
                address: "tcp://[::1]:80".to_owned(),
                first: 64,
            },
            Message::Sockets { total: 65 },
            Message::TellStats,
            Message::Stats {
                more: true,
                counters: vec![stat("a.b", 1), stat("", u64::MAX)],
                gauges: vec![stat("c", 0)],
            },
            Message::Drain,
            Message::Terminate,
        ]
    }

    fn read(frame: &[u8]) -> Result<Message, Malformed> {
        let (head, payload) = frame.split_first_chunk().expect("a header");
        let header = Header::read(head)?;
        assert_eq!(header.payload_bytes, payload.len());
        Message::read(header, payload)
    }

    #[test]
    fn every_message_is_read_as_it_was_written() {
        for message in all() {
            assert_eq!(read(&message.frame()), Ok(message));
        }
    }

    #[test]
    fn a_payload_that_is_too_short_or_too_long_is_refused() {
        for message in all() {
            let frame = message.frame();
            let (head, payload) = frame.split_first_chunk().expect("a header");
            let header = Header::read(head).expect("a good header");
            for end in 0..payload.len() {
                assert_eq!(
                    Message::read(header, &payload[..end]),
                    Err(Malformed::Payload),
                    "{message:?} cut at {end}"
                );
            }
            let longer = [payload, b"x"].concat();
            assert_eq!(Message::read(header, &longer), Err(Malformed::Payload));
        }
    }

    #[test]
    fn frames_of_others_are_refused_by_their_header() {
        let mut frame = Message::Done.frame();
        frame[5] = 9;
        assert_eq!(read(&frame), Err(Malformed::Version(9)));
        frame[0] = 0;
        assert_eq!(read(&frame), Err(Malformed::NotOurs));
        let mut long = Message::Done.frame();
        long[8] = 0xff;
        assert_eq!(read(&long), Err(Malformed::TooLong(0xff00_0000)));
        let mut strange = Message::Done.frame();
        strange[7] = 99;
        assert_eq!(read(&strange), Err(Malformed::Payload));
    }

    #[test]
    fn a_list_that_claims_more_than_there_is_takes_no_memory() {
        let frame = Message::Stats {
            more: false,
            counters: Vec::new(),
            gauges: Vec::new(),
        }
        .frame();
        let (head, _) = frame.split_first_chunk().expect("a header");
        let header = Header::read(head).expect("a good header");
        let claims = [0, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(Message::read(header, &claims), Err(Malformed::Payload));
    }

    #[test]
    fn many_stats_are_spread_over_messages_that_fit() {
        let stats = |count: u64| (0..count).map(|at| (format!("{at:0>100}"), at)).collect();
        let messages = chunks(stats(30_000), stats(5));
        assert_eq!(messages.len(), 4);
        let mut seen = (0, 0);
        for (at, message) in messages.iter().enumerate() {
            let Ok(Message::Stats {
                more,
                counters,
                gauges,
            }) = read(&message.frame())
            else {
                panic!("{message:?} is not read as stats");
            };
            assert_eq!(more, at < 3);
            seen = (seen.0 + counters.len(), seen.1 + gauges.len());
        }
        assert_eq!(seen, (30_000, 5));
        assert_eq!(chunks(Vec::new(), Vec::new()).len(), 1);
    }
}
