(module
  (import "env" "proxy_add_header_map_value" (func $add_header_map_value (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_buffer_bytes" (func $get_buffer_bytes (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_remove_header_map_value" (func $remove_header_map_value (param i32 i32 i32) (result i32)))
  (import "env" "proxy_set_buffer_bytes" (func $set_buffer_bytes (param i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 16)
  (global $heap (mut i32) (i32.const 65536))
  (func (export "proxy_abi_version_0_2_1"))
  ;; Memory is given once and never back.
  (func (export "malloc") (param $n i32) (result i32)
    (local $p i32)
    (local.set $p (global.get $heap))
    (global.set $heap (i32.and (i32.add (i32.add (local.get $p) (local.get $n)) (i32.const 15)) (i32.const -8)))
    (local.get $p))
  ;; Writes a number in decimal before place 64; gives the place of its first digit.
  (func $decimal (param $n i32) (result i32)
    (local $p i32)
    (local.set $p (i32.const 64))
    (loop $more
      (local.set $p (i32.sub (local.get $p) (i32.const 1)))
      (i32.store8 (local.get $p) (i32.add (i32.const 48) (i32.rem_u (local.get $n) (i32.const 10))))
      (local.set $n (i32.div_u (local.get $n) (i32.const 10)))
      (br_if $more (local.get $n)))
    (local.get $p))
  (func $add (param $map i32) (param $k i32) (param $kl i32) (param $v i32) (param $vl i32)
    (drop (call $add_header_map_value (local.get $map) (local.get $k) (local.get $kl) (local.get $v) (local.get $vl))))
  (func $addn (param $map i32) (param $k i32) (param $kl i32) (param $n i32)
    (local $p i32)
    (local.set $p (call $decimal (local.get $n)))
    (call $add (local.get $map) (local.get $k) (local.get $kl) (local.get $p) (i32.sub (i32.const 64) (local.get $p))))
  ;; Adds a header with what a call came to: what it gave at 0 and 4, or its status behind "!".
  (func $addr (param $map i32) (param $k i32) (param $kl i32) (param $status i32)
    (local $p i32)
    (if (i32.eqz (local.get $status))
      (then (call $add (local.get $map) (local.get $k) (local.get $kl) (i32.load (i32.const 0)) (i32.load (i32.const 4))))
      (else
        (local.set $p (i32.sub (call $decimal (local.get $status)) (i32.const 1)))
        (i32.store8 (local.get $p) (i32.const 33))
        (call $add (local.get $map) (local.get $k) (local.get $kl) (local.get $p) (i32.sub (i32.const 64) (local.get $p))))))
  (func (export "proxy_on_request_headers") (param $id i32) (param $n i32) (param $end i32) (result i32) 
    
    (drop (call $remove_header_map_value (i32.const 0) (i32.const 1024) (i32.const 14)))
    (i32.const 0))
  (func (export "proxy_on_request_body") (param $id i32) (param $n i32) (param $end i32) (result i32) 
    
    (if (i32.eqz (local.get $end)) (then (return (i32.const 1))))
    (drop (call $get_buffer_bytes (i32.const 0) (i32.const 0) (i32.const 100) (i32.const 0) (i32.const 4)))
    (call $set_buffer_bytes (i32.const 0) (i32.const 0) (i32.const 2) (i32.const 1039) (i32.const 2)) drop
    (call $set_buffer_bytes (i32.const 0) (i32.const 1000) (i32.const 0) (i32.const 1042) (i32.const 2)) drop
    (i32.const 0))
  (func (export "proxy_on_response_headers") (param $id i32) (param $n i32) (param $end i32) (result i32) 
    
    (drop (call $remove_header_map_value (i32.const 2) (i32.const 1024) (i32.const 14)))
    (i32.const 0))
  (func (export "proxy_on_response_body") (param $id i32) (param $n i32) (param $end i32) (result i32) 
    
    (if (i32.eqz (local.get $end)) (then (return (i32.const 1))))
    (drop (call $set_buffer_bytes (i32.const 1) (i32.const 0) (local.get $n) (i32.const 1045) (i32.const 8)))
    (i32.const 0))
  (data (i32.const 1024) "content-length")
  (data (i32.const 1039) "<<")
  (data (i32.const 1042) ">>")
  (data (i32.const 1045) "replaced")
)
