//! A plugin's memory, as host functions use it: every place and length that a plugin says is checked.

use wasmi::{AsContextMut, Caller};

use super::Host;
use crate::status::{Done, Status};

/// The plugin that calls.
pub(crate) struct Guest<'a> {
    pub(crate) caller: Caller<'a, Host>,
}

/// What reading or writing costs in fuel besides a unit a byte.
const FUEL_PER_ACCESS: u64 = 50;

const INVALID: Status = Status::InvalidMemoryAccess;

impl Guest<'_> {
    pub(crate) fn host(&mut self) -> &mut Host {
        self.caller.data_mut()
    }

    /// Has the call into the plugin fail, as a trap does, as soon as the host function is over.
    fn halt(&mut self, why: String) -> Status {
        self.host().halts.get_or_insert(why);
        INVALID
    }

    /// Takes fuel for work of the host; without any left, the call into the plugin fails.
    pub(crate) fn charge(&mut self, units: u64) -> Done {
        let left = self.caller.get_fuel().unwrap_or(0);
        let rest = left.checked_sub(units);
        let _fuel_is_on = self.caller.set_fuel(rest.unwrap_or(0));
        rest.map(|_| ())
            .ok_or_else(|| self.halt("all fuel consumed by WebAssembly".to_owned()))
    }

    /// The same, for work on so many bytes, each of which costs so much.
    pub(crate) fn charge_bytes(&mut self, bytes: usize, each: u64) -> Done {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.charge(bytes.saturating_mul(each))
    }

    /// The bytes at a place.
    pub(crate) fn read(&mut self, at: u32, length: u32) -> Done<Vec<u8>> {
        let memory = self.host().memory.ok_or(INVALID)?;
        let (at, length) = (at as usize, length as usize);
        let end = at.checked_add(length).ok_or(INVALID)?;
        if end > memory.data_size(&self.caller) {
            return Err(INVALID);
        }
        self.charge(FUEL_PER_ACCESS)?;
        self.charge_bytes(length, 1)?;
        let all = memory.data(&self.caller);
        all.get(at..end).map(<[u8]>::to_vec).ok_or(INVALID)
    }

    /// Writes bytes at a place.
    pub(crate) fn write(&mut self, at: u32, bytes: &[u8]) -> Done {
        let memory = self.host().memory.ok_or(INVALID)?;
        self.charge(FUEL_PER_ACCESS)?;
        self.charge_bytes(bytes.len(), 1)?;
        memory
            .write(&mut self.caller, at as usize, bytes)
            .map_err(|_| INVALID)
    }

    pub(crate) fn write_u32(&mut self, at: u32, number: u32) -> Done {
        self.write(at, &number.to_le_bytes())
    }

    pub(crate) fn write_u64(&mut self, at: u32, number: u64) -> Done {
        self.write(at, &number.to_le_bytes())
    }

    /// Bytes in memory that the plugin gives for them; its place.
    pub(crate) fn allocate(&mut self, bytes: &[u8]) -> Done<u32> {
        let length = u32::try_from(bytes.len()).map_err(|_| INVALID)?;
        let malloc = self.host().malloc.ok_or(INVALID)?;
        // Each of these calls is deeper in the host's own stack, so that there is one at a time.
        if std::mem::replace(&mut self.host().in_malloc, true) {
            return Err(self.halt("malloc asks for memory itself".to_owned()));
        }
        // The plugin's own function is called for the VM, as a part of the call that it is in.
        let at = malloc.call(self.caller.as_context_mut(), length);
        self.host().in_malloc = false;
        let at = at.map_err(|why| self.halt(why.to_string()))?;
        if at == 0 {
            return Err(INVALID);
        }
        self.write(at, bytes)?;
        Ok(at)
    }

    /// Gives bytes to the plugin: their place and length are written where it says.
    pub(crate) fn give(&mut self, bytes: &[u8], place_at: u32, length_at: u32) -> Done {
        let at = match bytes.is_empty() {
            true => 0,
            false => self.allocate(bytes)?,
        };
        self.write_u32(place_at, at)?;
        self.write_u32(length_at, u32::try_from(bytes.len()).unwrap_or(u32::MAX))
    }
}
