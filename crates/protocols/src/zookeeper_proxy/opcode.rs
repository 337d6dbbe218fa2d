//! The kinds of operations.

macro_rules! operations {
    ($($op:ident = $name:literal),* $(,)?) => {
        /// A kind of operation.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Op {
            $(#[doc = $name] $op,)*
        }

        impl Op {
            /// All of them, in the order of their numbers.
            pub(super) const ALL: &[Op] = &[$(Op::$op,)*];

            /// What Envoy calls it.
            pub(super) const fn name(self) -> &'static str {
                match self {
                    $(Op::$op => $name,)*
                }
            }
        }
    };
}

operations! {
    Connect = "connect",
    Ping = "ping",
    Auth = "auth",
    GetData = "getdata",
    Create = "create",
    Create2 = "create2",
    CreateContainer = "createcontainer",
    CreateTtl = "createttl",
    SetData = "setdata",
    GetChildren = "getchildren",
    GetChildren2 = "getchildren2",
    GetEphemerals = "getephemerals",
    GetAllChildrenNumber = "getallchildrennumber",
    Delete = "delete",
    Exists = "exists",
    GetAcl = "getacl",
    SetAcl = "setacl",
    Sync = "sync",
    Check = "check",
    Multi = "multi",
    Reconfig = "reconfig",
    SetAuth = "setauth",
    SetWatches = "setwatches",
    SetWatches2 = "setwatches2",
    AddWatch = "addwatch",
    CheckWatches = "checkwatches",
    RemoveWatches = "removewatches",
    Close = "close",
}

impl Op {
    /// The operation of a number on the wire, but for those that have transaction ids of their own.
    pub(super) const fn from_wire(code: i32) -> Option<Self> {
        Some(match code {
            1 => Op::Create,
            2 => Op::Delete,
            3 => Op::Exists,
            4 => Op::GetData,
            5 => Op::SetData,
            6 => Op::GetAcl,
            7 => Op::SetAcl,
            8 => Op::GetChildren,
            9 => Op::Sync,
            12 => Op::GetChildren2,
            13 => Op::Check,
            14 => Op::Multi,
            15 => Op::Create2,
            16 => Op::Reconfig,
            17 => Op::CheckWatches,
            18 => Op::RemoveWatches,
            19 => Op::CreateContainer,
            21 => Op::CreateTtl,
            -11 => Op::Close,
            101 => Op::SetWatches,
            103 => Op::GetEphemerals,
            104 => Op::GetAllChildrenNumber,
            105 => Op::SetWatches2,
            106 => Op::AddWatch,
            _ => return None,
        })
    }

    /// The place in tables of all operations.
    pub(super) const fn index(self) -> usize {
        self as usize
    }

    /// The name of its answers, and that of the histogram of its latencies.
    pub(super) const fn answer_suffix(self) -> &'static str {
        match self {
            Op::Connect | Op::Ping | Op::Auth => "response",
            _ => "resp",
        }
    }
}
