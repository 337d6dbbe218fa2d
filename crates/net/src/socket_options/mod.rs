//! `SocketOption`: what a configuration sets on sockets by level and number.
//!
//! Options go to the system as they are written, a number as an `int` and bytes as they stand, if they are those of a
//! table (`known.rs`) of all that Linux documents of sockets, IP, TCP and UDP; others are refused, as the system would
//! refuse nearly all of them. Options of another kind of socket (`type`) are left out. What the system does not take
//! is an error of the socket that it was to be set on.

mod known;

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use nuncio_config::typed::{Ctx, Refused};
use nuncio_config::{enumeration, message, one_of};

use known::Known;

message! {
    /// An option of a socket.
    pub struct SocketOption: "envoy.config.core.v3.SocketOption" {
        inert description = "it is for people",
        level: i64,
        name: i64,
        oneof value: OptionValue,
        state: SocketState,
        r#type: Option<OptionType>,
    }
}

one_of! {
    /// What an option is set to.
    pub enum OptionValue {
        int_value => Number(i64),
        buf_value => Bytes(Vec<u8>),
    }
}

enumeration! {
    /// When an option is set.
    pub enum SocketState: "envoy.config.core.v3.SocketOption.SocketState" {
        STATE_PREBIND => BeforeBind,
        STATE_BOUND => Bound,
        STATE_LISTENING => Listening,
    }
}

message! {
    /// Which sockets an option is for.
    pub struct OptionType: "envoy.config.core.v3.SocketOption.SocketType" {
        stream: Option<StreamSockets>,
        datagram: Option<DatagramSockets>,
    }
}

message! {
    /// Those of connections.
    pub struct StreamSockets: "envoy.config.core.v3.SocketOption.SocketType.Stream" {}
}

message! {
    /// Those of datagrams.
    pub struct DatagramSockets: "envoy.config.core.v3.SocketOption.SocketType.Datagram" {}
}

/// Options of a socket, in the order in which they are set; none costs nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SocketOptions(Option<Arc<[One]>>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct One {
    known: &'static Known,
    value: Vec<u8>,
    state: SocketState,
}

impl SocketOptions {
    /// The options of a message that are for sockets of connections, or of datagrams; every mistake is in the context.
    ///
    /// # Errors
    /// [`Refused`] if one is not known.
    pub fn compile(
        messages: &[SocketOption],
        are_of_datagrams: bool,
        ctx: &mut Ctx,
    ) -> Result<Self, Refused> {
        let wanted = messages
            .iter()
            .filter(|message| message.is_for(are_of_datagrams));
        let options: Vec<_> = wanted.map(|message| message.compile(ctx)).collect();
        let options = options.into_iter().collect::<Result<Vec<_>, _>>()?;
        Ok(SocketOptions((!options.is_empty()).then(|| options.into())))
    }

    /// The same, and before them a queue of so many connections whose first bytes come with their SYN.
    #[must_use]
    pub fn with_fast_open(self, queue_length: u32) -> Self {
        let (tcp, fast_open) = (libc::IPPROTO_TCP.into(), libc::TCP_FASTOPEN.into());
        let own = Known::find(tcp, fast_open).map(|known| One {
            known,
            value: queue_length.to_ne_bytes().to_vec(),
            state: SocketState::Listening,
        });
        let others = self.0.iter().flat_map(|options| options.iter().cloned());
        SocketOptions(Some(own.into_iter().chain(others).collect()))
    }

    /// Sets those that are set in `state`.
    ///
    /// # Errors
    /// What the system says.
    pub fn apply(&self, socket: BorrowedFd<'_>, state: SocketState) -> io::Result<()> {
        let all = self.0.iter().flat_map(|options| options.iter());
        for option in all.filter(|option| option.state == state) {
            option.known.set(socket, &option.value)?;
        }
        Ok(())
    }

    /// Whether the congestion control is among them.
    pub fn have_congestion_control(&self) -> bool {
        let all = self.0.iter().flat_map(|options| options.iter());
        let mut known = all.map(|option| option.known);
        known.any(|known| known.is(libc::IPPROTO_TCP, libc::TCP_CONGESTION))
    }
}

impl SocketOption {
    fn is_for(&self, datagrams: bool) -> bool {
        let Some(kind) = &self.r#type else {
            return true;
        };
        match (&kind.stream, &kind.datagram) {
            (None, None) => true,
            (stream, datagram) => match datagrams {
                true => datagram.is_some(),
                false => stream.is_some(),
            },
        }
    }

    fn compile(&self, ctx: &mut Ctx) -> Result<One, Refused> {
        let Some(known) = Known::find(self.level, self.name) else {
            let what = format!("the socket option {}/{}", self.level, self.name);
            return Err(ctx.unsupported_here(self.span(), what));
        };
        let value = match &self.value {
            OptionValue::Number(number) => as_int(*number).to_ne_bytes().to_vec(),
            OptionValue::Bytes(bytes) => bytes.clone(),
        };
        Ok(One {
            known,
            value,
            state: self.state,
        })
    }
}

/// An `int` has 32 bits; what is beyond is cut off, as in Envoy.
#[expect(clippy::cast_possible_truncation, reason = "that is what it is for")]
fn as_int(number: i64) -> i32 {
    number as i32
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use socket2::{Domain, SockRef, Socket, Type};

    use super::*;

    fn options(level: i64, name: i64, value: &[u8], state: SocketState) -> SocketOptions {
        let known = Known::find(level, name).expect("it is known");
        let value = value.to_vec();
        let one = One {
            known,
            value,
            state,
        };
        SocketOptions(Some([one].into()))
    }

    fn socket() -> Socket {
        Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket")
    }

    #[test]
    fn an_option_is_set_in_its_state_alone() {
        let keepalive = options(1, 9, &1_i32.to_ne_bytes(), SocketState::Bound);
        let socket = socket();
        let apply = |state| keepalive.apply(socket.as_fd(), state);
        apply(SocketState::BeforeBind).expect("there is nothing to set");
        assert!(!socket.keepalive().expect("an option"));
        apply(SocketState::Bound).expect("every socket has it");
        assert!(socket.keepalive().expect("an option"));
    }

    #[test]
    fn bytes_are_set_as_they_stand() {
        let linger = [1_i32.to_ne_bytes(), 7_i32.to_ne_bytes()].concat();
        let linger = options(1, 13, &linger, SocketState::BeforeBind);
        let socket = socket();
        linger
            .apply(socket.as_fd(), SocketState::BeforeBind)
            .expect("every socket has it");
        let set = SockRef::from(&socket).linger().expect("an option");
        assert_eq!(set.map(|time| time.as_secs()), Some(7));
    }

    #[test]
    fn a_queue_for_fast_opens_comes_before_the_others() {
        let keepalive = options(1, 9, &1_i32.to_ne_bytes(), SocketState::Bound);
        let both = keepalive.clone().with_fast_open(7);
        assert!(!both.have_congestion_control());
        let fast_open = options(6, 23, &7_i32.to_ne_bytes(), SocketState::Listening);
        let all = |options: &SocketOptions| options.0.as_deref().unwrap_or_default().to_vec();
        assert_eq!(all(&both), [all(&fast_open), all(&keepalive)].concat());
        let socket = socket();
        socket.listen(1).expect("it listens");
        both.apply(socket.as_fd(), SocketState::Listening)
            .expect("the system knows it");
    }

    #[test]
    fn what_the_system_does_not_take_is_an_error() {
        let congestion = options(6, 13, b"nonsense", SocketState::BeforeBind);
        let socket = socket();
        assert!(congestion.have_congestion_control());
        congestion
            .apply(socket.as_fd(), SocketState::BeforeBind)
            .expect_err("there is no such algorithm");
        assert!(Known::find(1, 20_000).is_none());
    }
}
