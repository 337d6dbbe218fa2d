//! Data and queues that VMs share.

use super::guest::Guest;
use super::link::Arguments;
use crate::mailbox;
use crate::shared_data::{self, Reader};
use crate::status::Done;

pub(crate) fn get(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Done {
    let key = guest.read(args.u32(0), args.u32(1))?;
    let (value, number) = shared_data::get(guest.host().base.vm_id.as_str(), &key)?;
    guest.give(&value, args.u32(2), args.u32(3))?;
    guest.write_u32(args.u32(4), number)
}

pub(crate) fn set(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Done {
    let key = guest.read(args.u32(0), args.u32(1))?;
    let value = guest.read(args.u32(2), args.u32(3))?;
    let vm_id = guest.host().base.vm_id.clone();
    shared_data::set(vm_id.as_str(), &key, &value, args.u32(4))
}

pub(crate) fn register(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Done {
    let name = guest.read(args.u32(0), args.u32(1))?;
    let host = guest.host();
    let context = host.root_id();
    // Where a plugin is only tried nothing is read, and who reads a queue that is there goes on to.
    let calls = host.calls.as_ref().filter(|_| !host.is_trial);
    let reader = calls.map(|calls| Reader {
        vm: host.base.key,
        context,
        mailbox: mailbox::of_thread(calls),
    });
    let token = shared_data::register_queue(host.base.vm_id.as_str(), &name, reader)?;
    guest.write_u32(args.u32(2), token)
}

pub(crate) fn resolve(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Done {
    let vm_id = guest.read(args.u32(0), args.u32(1))?;
    let name = guest.read(args.u32(2), args.u32(3))?;
    let own = guest.host().base.vm_id.clone();
    let vm_id = String::from_utf8_lossy(&vm_id);
    let vm_id = if vm_id.is_empty() {
        own.as_str()
    } else {
        &vm_id
    };
    let token = shared_data::resolve_queue(vm_id, &name)?;
    guest.write_u32(args.u32(4), token)
}

pub(crate) fn dequeue(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Done {
    let item = shared_data::dequeue(args.u32(0))?;
    guest.give(&item, args.u32(1), args.u32(2))
}

pub(crate) fn enqueue(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Done {
    let item = guest.read(args.u32(1), args.u32(2))?;
    shared_data::enqueue(args.u32(0), &item)
}
