//! VMs by themselves: what they may use, and what host functions make of wrong places.

use std::sync::Arc;

use nuncio_config::runtime::{RuntimeKeys, RuntimeValue};

use crate::base::{Base, VmSettings};
use crate::engine::{Limits, compile};
use crate::export::Export;
use crate::mailbox::Mailbox;
use crate::shared_data::{self, Reader, VmId};
use crate::status::Status;
use crate::vm::{Called, Vm};

const HEAD: &str = r#"
    (memory (export "memory") 1)
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "malloc") (param i32) (result i32) (i32.const 1024))
"#;

fn base(vm_id: &str, runtime: &[(&str, &str)], imports: &str, body: &str) -> Arc<Base> {
    base_of(vm_id, runtime, &format!("{imports} {HEAD} {body}"))
}

fn base_of(vm_id: &str, runtime: &[(&str, &str)], module: &str) -> Arc<Base> {
    let keys = RuntimeKeys::default();
    let values = runtime.iter().map(|(name, value)| {
        let value = RuntimeValue::of_text(value).unwrap();
        ((*name).into(), value)
    });
    keys.set_values(values.collect());
    let code = wat::parse_str(format!("(module {module})")).unwrap();
    let settings = VmSettings {
        vm_id: vm_id.into(),
        runtime: "".into(),
        configuration: Box::from(&b"configured"[..]),
        environment: Vec::new(),
        allowed: Default::default(),
        limits: Limits::new(&keys),
    };
    Base::of(&settings, &code).unwrap()
}

/// What `proxy_on_done` of a plugin with this body returns.
fn done(vm_id: &str, runtime: &[(&str, &str)], imports: &str, body: &str) -> Called {
    let base = base(vm_id, runtime, imports, body);
    let vm = Vm::new(&base, None, None).unwrap();
    let called = vm.call(0, Export::Done, &[]);
    assert_eq!(vm.has_failed(), called == Called::Failed);
    called
}

fn on_done(body: &str) -> String {
    format!(r#"(func (export "proxy_on_done") (param i32) (result i32) {body})"#)
}

#[test]
fn a_loop_ends_with_its_fuel() {
    let body = on_done("(loop $again (br $again)) (i32.const 1)");
    let fuel = [("nuncio.wasm.fuel_per_call", "10000")];
    assert_eq!(done("loop", &fuel, "", &body), Called::Failed);
}

#[test]
fn a_recursion_without_end_fails() {
    let body = format!(
        "(func $deep (param i32) (result i32) (call $deep (local.get 0))) {}",
        on_done("(call $deep (i32.const 0))")
    );
    assert_eq!(done("deep", &[], "", &body), Called::Failed);
}

#[test]
fn memory_grows_to_its_limit_and_no_further() {
    let limit = [("nuncio.wasm.max_memory_bytes", "1048576")];
    let grow = |pages: u32| on_done(&format!("(memory.grow (i32.const {pages}))"));
    assert_eq!(
        done("grow", &limit, "", &grow(15)),
        Called::Returned(1, false)
    );
    let refused = Called::Returned(u32::MAX, false);
    assert_eq!(done("grow", &limit, "", &grow(16)), refused);
}

#[test]
fn places_outside_of_memory_are_refused() {
    let log = r#"(import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))"#;
    for (at, length, status) in [
        (65_535_u32, 1_u32, 0),
        (65_536, 0, 0),
        (65_536, 1, 6),
        (8, u32::MAX, 6),
    ] {
        let (at, length) = (at.cast_signed(), length.cast_signed());
        let body = on_done(&format!(
            "(call $log (i32.const 0) (i32.const {at}) (i32.const {length}))"
        ));
        let called = done("places", &[], log, &body);
        assert_eq!(called, Called::Returned(status, false), "{at} {length}");
    }
}

#[test]
fn a_vm_that_starts_may_call_little() {
    let import = r#"(import "env" "proxy_set_tick_period_milliseconds" (func $tick (param i32) (result i32)))"#;
    let body = r#"(func (export "_start") (drop (call $tick (i32.const 1))))"#;
    let base = base("start", &[], import, body);
    assert!(Vm::new(&base, None, None).is_err());
}

#[test]
fn what_is_no_module_is_told() {
    let no_version = wat::parse_str("(module)").unwrap();
    for (code, why) in [
        (&b"text"[..], "Failed to parse corrupted Wasm module"),
        (&no_version, "Missing or unknown Proxy-Wasm ABI version"),
        (b"\0asm\x01\0\0\0\xff", "Failed to load Wasm bytecode"),
    ] {
        assert_eq!(compile(code).err(), Some(why));
    }
}

#[test]
fn shared_data_go_with_the_last_vm_of_their_id() {
    let first = base("shared", &[], "", "");
    shared_data::set("shared", b"key", b"one", 0).unwrap();
    let (value, number) = shared_data::get("shared", b"key").unwrap();
    assert_eq!(value, b"one");
    let other = number.wrapping_add(1);
    let refused = shared_data::set("shared", b"key", b"two", other);
    assert_eq!(refused, Err(Status::CasMismatch));
    shared_data::set("shared", b"key", b"two", number).unwrap();
    drop(first);
    assert_eq!(shared_data::get("shared", b"key"), Err(Status::NotFound));
}

const BUFFER: &str = r#"(import "env" "proxy_get_buffer_bytes" (func $buffer (param i32 i32 i32 i32 i32) (result i32)))"#;

/// What `proxy_on_done` returns that asks for a buffer, of a plugin with this `malloc`.
fn asking_with(malloc: &str) -> Called {
    let ask =
        "(call $buffer (i32.const 6) (i32.const 0) (i32.const 9) (i32.const 16) (i32.const 20))";
    let module = format!(
        r#"{BUFFER} (memory (export "memory") 1) (func (export "proxy_abi_version_0_2_1"))
        (func (export "malloc") (param i32) (result i32) {}) {}"#,
        malloc.replace("ASK", ask),
        on_done(ask)
    );
    let base = base_of(malloc, &[], &module);
    let vm = Vm::new(&base, None, None).unwrap();
    vm.call(0, Export::Done, &[])
}

#[test]
fn a_malloc_that_asks_for_memory_fails_and_does_not_end_the_process() {
    assert_eq!(asking_with("(drop ASK) (i32.const 1024)"), Called::Failed);
    assert_eq!(asking_with("(i32.const 1024)"), Called::Returned(0, false));
}

#[test]
fn a_malloc_that_traps_ends_the_call_that_it_is_in() {
    assert_eq!(asking_with("unreachable"), Called::Failed);
    // One that has no memory does not.
    assert_eq!(asking_with("(i32.const 0)"), Called::Returned(6, false));
}

const LOG: &str = r#"(import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))"#;

/// How often a plugin calls this, before its fuel of 10 million is used up or it has done so 20,000 times.
fn rounds(name: &str, import: &str, data: &str, call: &str) -> u32 {
    let body = format!(
        r#"{data} (global $rounds (mut i32) (i32.const 0))
        (func (export "proxy_on_tick") (param i32)
            (loop $again
                (global.set $rounds (i32.add (global.get $rounds) (i32.const 1)))
                (i32.store (i32.const 512) (global.get $rounds))
                (drop {call})
                (br_if $again (i32.lt_u (global.get $rounds) (i32.const 20000)))))"#
    );
    let fuel = [("nuncio.wasm.fuel_per_call", "10000000")];
    let base = base(name, &fuel, import, &body);
    let vm = Vm::new(&base, None, None).unwrap();
    let called = vm.call(0, Export::Tick, &[]);
    let rounds = vm.word(512);
    assert_eq!(called == Called::Failed, rounds < 20_000);
    rounds
}

#[test]
fn host_functions_cost_fuel() {
    let log = |bytes: u32| {
        let call = format!("(call $log (i32.const 0) (i32.const 0) (i32.const {bytes}))");
        rounds("rounds", LOG, "", &call)
    };
    // Each costs 1,000 and more, and each byte.
    let (few, many) = (log(1), log(60_000));
    assert!((5_000..10_000).contains(&few), "{few}");
    assert!((150..167).contains(&many), "{many}");
}

#[test]
fn packing_costs_more_fuel_than_reading() {
    let import = r#"(import "env" "proxy_call_foreign_function" (func $call (param i32 i32 i32 i32 i32 i32) (result i32)))"#;
    let call = "(call $call (i32.const 0) (i32.const 8) (i32.const 1024) (i32.const 50000) (i32.const 0) (i32.const 0))";
    let packed = rounds("packs", import, r#"(data (i32.const 0) "compress")"#, call);
    assert!((8..12).contains(&packed), "{packed}");
}

#[test]
fn a_vm_has_one_memory() {
    let one = base("one", &[], "", "");
    assert!(Vm::new(&one, None, None).is_ok());
    let two = base("two", &[], "", "(memory 1)");
    assert!(Vm::new(&two, None, None).is_err());
}

/// How much fuel VMs of a plugin have to start with once it was tried, where a call has 10,000: it goes so often round
/// as it starts, some 5 units each, in the function of this kind.
fn starts(name: &str, function: &str, rounds: u32) -> bool {
    let body = format!(
        r#"(global $left (mut i32) (i32.const {rounds}))
        {function}
            (loop $again
                (global.set $left (i32.sub (global.get $left) (i32.const 1)))
                (br_if $again (global.get $left))))"#
    );
    let base = base(name, &[("nuncio.wasm.fuel_per_call", "10000")], "", &body);
    if Vm::new(&base, None, None).is_err() {
        return false;
    }
    let most = base.fuel_at_start(true);
    let on_worker = base.fuel_at_start(false);
    // Some rounds take more than a call has, and then twice what they took is there.
    assert!(on_worker >= 10 * u64::from(rounds), "{on_worker}");
    assert_eq!(most, 500_000);
    assert!((10_000..200_000).contains(&on_worker), "{on_worker}");
    true
}

#[test]
fn a_vm_of_a_worker_starts_with_what_its_trial_needed() {
    let exported = r#"(func (export "_initialize")"#;
    assert!(starts("seldom", exported, 10));
    assert!(starts("often", exported, 8_000));
    assert!(!starts("without end", exported, 0));
}

#[test]
fn what_a_module_starts_with_counts_too() {
    let of_module = "(start $start) (func $start";
    assert!(starts("own seldom", of_module, 10));
    assert!(starts("own often", of_module, 8_000));
    assert!(!starts("own without end", of_module, 0));
}

#[test]
fn who_reads_a_queue_stays_so_while_another_plugin_is_tried() {
    let _base = base("queue", &[], "", "");
    let mailbox = Arc::new(Mailbox::default());
    let reader = Reader {
        vm: [1; 32],
        context: 7,
        mailbox: Arc::clone(&mailbox),
    };
    let token = shared_data::register_queue("queue", b"name", Some(reader)).unwrap();
    assert_eq!(
        shared_data::register_queue("queue", b"name", None),
        Ok(token)
    );
    assert_eq!(shared_data::resolve_queue("queue", b"name"), Ok(token));
    shared_data::enqueue(token, b"item").unwrap();
    assert_eq!(mailbox.take(), [([1; 32], 7, token)]);

    // Empty items count as well.
    let put = (0..2_000_000).find(|_| shared_data::enqueue(token, b"").is_err());
    assert!(put.is_some_and(|put| put <= 1 << 20), "{put:?}");
}

#[test]
fn a_queue_that_feeds_itself_lets_others_have_their_turn() {
    let mailbox = Mailbox::default();
    for token in 0..100 {
        mailbox.post([0; 32], 1, token);
    }
    // As many are taken at once, and what comes meanwhile is behind the others.
    assert_eq!(mailbox.take().len(), 64);
    mailbox.post([0; 32], 1, 0);
    assert_eq!(mailbox.take().len(), 37);
}

#[test]
fn no_word_is_lost_however_many_wait() {
    let mailbox = Mailbox::default();
    let most = 1 << 18;
    for _ in 0..most {
        mailbox.post([0; 32], 1, 0);
    }
    for token in [1, 1, 1, 2] {
        mailbox.post([0; 32], 1, token);
    }
    for _ in 0..most / 64 {
        let taken = mailbox.take();
        assert!(taken.len() == 64 && taken.iter().all(|(_, _, token)| *token == 0));
    }
    let rest: Vec<u32> = mailbox.take().iter().map(|(_, _, token)| *token).collect();
    assert_eq!(rest, [1, 2, 1, 1]);
    assert_eq!(mailbox.take(), []);
    mailbox.post([0; 32], 1, 3);
    assert_eq!(mailbox.take(), [([0; 32], 1, 3)]);
}

#[test]
fn an_id_has_so_many_queues_with_short_names() {
    let (_one, _other) = (VmId::of("many queues"), VmId::of("few queues"));
    let register = |id: &str, name: &[u8]| shared_data::register_queue(id, name, None);
    assert!(register("many queues", &[b'n'; 1024]).is_ok());
    assert_eq!(
        register("many queues", &[b'n'; 1025]),
        Err(Status::InternalFailure)
    );
    for number in 1..10_000_u32 {
        assert!(register("many queues", &number.to_be_bytes()).is_ok());
    }
    assert_eq!(
        register("many queues", b"more"),
        Err(Status::InternalFailure)
    );
    assert!(register("few queues", b"more").is_ok());
}
