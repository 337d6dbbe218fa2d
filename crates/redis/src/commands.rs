//! The commands that Envoy 1.40 knows, with what becomes of each.

use std::rc::Rc;

use Kind::{
    AllHosts, Eval, Hello, InfoShard, Mget, Mset, Object, RandomHost, Scan, Simple, Sum,
    Transaction,
};

/// The words of a command.
pub(crate) type Words = Rc<Vec<Vec<u8>>>;

/// A word of it; empty if there is none at this place.
pub(crate) fn word(words: &Words, place: usize) -> &[u8] {
    words.get(place).map(Vec::as_slice).unwrap_or_default()
}

/// How a command is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Goes to the host of its first argument.
    Simple,
    /// Goes to the host of its third argument.
    Eval,
    /// Goes to the host of its second argument.
    Object,
    /// One question a key; the sum of the answers.
    Sum,
    Mget,
    Mset,
    /// Answered here.
    Hello,
    /// Goes to all hosts.
    AllHosts,
    /// Goes to one of them.
    RandomHost,
    Scan,
    InfoShard,
    /// Begins, ends or prepares a transaction.
    Transaction,
}

/// All of them, by name.
#[rustfmt::skip]
pub(crate) const COMMANDS: &[(&str, Kind)] = &[
    ("append", Simple), ("bf.add", Simple), ("bf.card", Simple), ("bf.exists", Simple),
    ("bf.info", Simple), ("bf.insert", Simple), ("bf.loadchunk", Simple), ("bf.madd", Simple),
    ("bf.mexists", Simple), ("bf.reserve", Simple), ("bf.scandump", Simple), ("bitcount", Simple),
    ("bitfield", Simple), ("bitfield_ro", Simple), ("bitop", Simple), ("bitpos", Simple),
    ("cluster", RandomHost), ("config", AllHosts), ("copy", Simple), ("decr", Simple),
    ("decrby", Simple), ("del", Sum), ("discard", Transaction), ("dump", Simple), ("eval", Eval),
    ("evalsha", Eval), ("exec", Transaction), ("exists", Sum), ("expire", Simple),
    ("expireat", Simple), ("flushall", AllHosts), ("flushdb", AllHosts), ("geoadd", Simple),
    ("geodist", Simple), ("geohash", Simple), ("geopos", Simple), ("georadius", Simple),
    ("georadius_ro", Simple), ("georadiusbymember", Simple), ("georadiusbymember_ro", Simple),
    ("geosearch", Simple), ("geosearchstore", Simple), ("get", Simple), ("getbit", Simple),
    ("getdel", Simple), ("getex", Simple), ("getrange", Simple), ("getset", Simple),
    ("hdel", Simple), ("hello", Hello), ("hexists", Simple), ("hexpire", Simple),
    ("hexpireat", Simple), ("hexpiretime", Simple), ("hget", Simple), ("hgetall", Simple),
    ("hincrby", Simple), ("hincrbyfloat", Simple), ("hkeys", Simple), ("hlen", Simple),
    ("hmget", Simple), ("hmset", Simple), ("hpersist", Simple), ("hpexpire", Simple),
    ("hpexpireat", Simple), ("hpexpiretime", Simple), ("hpttl", Simple), ("hrandfield", Simple),
    ("hscan", Simple), ("hset", Simple), ("hsetnx", Simple), ("hstrlen", Simple), ("httl", Simple),
    ("hvals", Simple), ("incr", Simple), ("incrby", Simple), ("incrbyfloat", Simple),
    ("info", AllHosts), ("info.shard", InfoShard), ("keys", AllHosts), ("lindex", Simple),
    ("linsert", Simple), ("llen", Simple), ("lmove", Simple), ("lpop", Simple), ("lpos", Simple),
    ("lpush", Simple), ("lpushx", Simple), ("lrange", Simple), ("lrem", Simple), ("lset", Simple),
    ("ltrim", Simple), ("mget", Mget), ("mset", Mset), ("msetnx", Simple), ("multi", Transaction),
    ("object", Object), ("persist", Simple), ("pexpire", Simple), ("pexpireat", Simple),
    ("pfadd", Simple), ("pfcount", Simple), ("pfmerge", Simple), ("psetex", Simple),
    ("pttl", Simple), ("publish", Simple), ("randomkey", RandomHost), ("rename", Simple),
    ("renamenx", Simple), ("restore", Simple), ("role", AllHosts), ("rpop", Simple),
    ("rpoplpush", Simple), ("rpush", Simple), ("rpushx", Simple), ("sadd", Simple), ("scan", Scan),
    ("scard", Simple), ("script", AllHosts), ("sdiff", Simple), ("sdiffstore", Simple),
    ("select", AllHosts), ("set", Simple), ("setbit", Simple), ("setex", Simple), ("setnx", Simple),
    ("setrange", Simple), ("sinter", Simple), ("sinterstore", Simple), ("sismember", Simple),
    ("slowlog", AllHosts), ("smembers", Simple), ("smismember", Simple), ("smove", Simple),
    ("sort", Simple), ("sort_ro", Simple), ("spop", Simple), ("srandmember", Simple),
    ("srem", Simple), ("sscan", Simple), ("strlen", Simple), ("substr", Simple), ("sunion", Simple),
    ("sunionstore", Simple), ("touch", Sum), ("ttl", Simple), ("type", Simple), ("unlink", Sum),
    ("unwatch", Transaction), ("watch", Transaction), ("xack", Simple), ("xadd", Simple),
    ("xautoclaim", Simple), ("xclaim", Simple), ("xdel", Simple), ("xlen", Simple),
    ("xpending", Simple), ("xrange", Simple), ("xrevrange", Simple), ("xtrim", Simple),
    ("zadd", Simple), ("zcard", Simple), ("zcount", Simple), ("zdiff", Simple),
    ("zdiffstore", Simple), ("zincrby", Simple), ("zinter", Simple), ("zinterstore", Simple),
    ("zlexcount", Simple), ("zmscore", Simple), ("zpopmax", Simple), ("zpopmin", Simple),
    ("zrandmember", Simple), ("zrange", Simple), ("zrangebylex", Simple), ("zrangebyscore", Simple),
    ("zrangestore", Simple), ("zrank", Simple), ("zrem", Simple), ("zremrangebylex", Simple),
    ("zremrangebyrank", Simple), ("zremrangebyscore", Simple), ("zrevrange", Simple),
    ("zrevrangebylex", Simple), ("zrevrangebyscore", Simple), ("zrevrank", Simple),
    ("zscan", Simple), ("zscore", Simple), ("zunion", Simple), ("zunionstore", Simple),
];

/// Those that change something; all others read.
#[rustfmt::skip]
const WRITES: &[&str] = &[
    "append", "bitfield", "bitop", "copy", "decr", "decrby", "del", "discard", "eval", "evalsha",
    "exec", "expire", "expireat", "geoadd", "georadius", "georadiusbymember", "geosearchstore",
    "getdel", "hdel", "hexpire", "hexpireat", "hincrby", "hincrbyfloat", "hmset", "hpersist",
    "hpexpire", "hpexpireat", "hset", "hsetnx", "incr", "incrby", "incrbyfloat", "linsert", "lmove",
    "lpop", "lpush", "lpushx", "lrem", "lset", "ltrim", "mset", "msetnx", "multi", "persist",
    "pexpire", "pexpireat", "pfadd", "pfmerge", "psetex", "rename", "renamenx", "restore", "rpop",
    "rpoplpush", "rpush", "rpushx", "sadd", "sdiffstore", "set", "setbit", "setex", "setnx",
    "setrange", "sinterstore", "smove", "sort", "spop", "srem", "sunionstore", "touch", "unlink",
    "zadd", "zdiffstore", "zincrby", "zinterstore", "zpopmax", "zpopmin", "zrangestore", "zrem",
    "zremrangebylex", "zremrangebyrank", "zremrangebyscore", "zunionstore",
];

/// What becomes of a command.
pub(crate) fn kind(name: &str) -> Option<Kind> {
    let place = COMMANDS
        .binary_search_by_key(&name, |(name, _)| name)
        .ok()?;
    COMMANDS.get(place).map(|(_, kind)| *kind)
}

/// Whether it changes nothing.
pub(crate) fn reads(name: &str) -> bool {
    WRITES.binary_search(&name).is_err()
}

/// Whether a command is one that changes nothing.
pub(crate) fn reads_only(words: &Words) -> bool {
    let name = word(words, 0).to_ascii_lowercase();
    std::str::from_utf8(&name).is_ok_and(reads)
}

/// Whether it is counted under its own name where it is sent; all others are unknown there.
pub(crate) fn is_known(name: &str) -> bool {
    matches!(
        kind(name),
        Some(Simple | Eval | Sum | Mget | Mset | AllHosts | RandomHost)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_found_by_name() {
        for (name, _) in COMMANDS {
            assert!(kind(name).is_some(), "{name}");
        }
        assert!(WRITES.iter().all(|name| !reads(name)));
        assert!(reads("get"));
        assert_eq!(kind("nope"), None);
    }
}
