//! What this process may do, for cases that cannot run without it.

use std::fs;

/// CAP_NET_ADMIN, as `/proc/self/status` counts.
const NET_ADMIN: u32 = 12;

/// Whether sockets may have addresses and marks that are not this machine's.
#[must_use]
pub fn has_net_admin() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    has(&status, NET_ADMIN)
}

fn has(status: &str, capability: u32) -> bool {
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let bits = effective.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok());
    bits.is_some_and(|bits| bits >> capability & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capability_is_a_bit() {
        let status = |bits: &str| format!("CapPrm:\tffff\nCapEff:\t{bits}\nCapBnd:\tffff\n");
        assert!(has(&status("0000000000001000"), NET_ADMIN));
        assert!(!has(&status("000001ffffffefff"), NET_ADMIN));
        assert!(!has("", NET_ADMIN));
    }
}
