-- The objects that scripts see, and how scripts run: as coroutines that give way while they wait.
-- An object is a table that knows the run and the turn it was made in; used in another one it fails. What it does
-- itself is arguments and errors, in the words of Lua's own library; the rest is `native`.
local native = ...
local error, type, select, pairs, next = error, type, select, pairs, next
local setmetatable, getmetatable, rawset = setmetatable, getmetatable, rawset
local tostring, tonumber, format = tostring, tonumber, string.format
local yield, create, resume, status = coroutine.yield, coroutine.create, coroutine.resume, coroutine.status

-- What a turn ended with; the same numbers are in vm.rs.
local DONE, FAILED, BODY, CHUNK, TRAILERS, CALL, RESPOND = 0, 1, 2, 3, 4, 5, 6
-- What native functions say of bodies and trailers; the same numbers are in live.rs.
local HERE, NONE, LATER, STARTED, STREAMED = 0, 1, 2, 3, 4
-- Maps of headers.
local OWN, REQUEST, TRAILER_MAP = 0, 1, 2

local OUTSIDE = "object used outside of proper scope"
-- What a turn ends with is behind this, which scripts cannot have.
local OURS = {}
-- Those who have nothing to do.
local idle = {}
local current

-- How far up the script is, which errors name the place of; more where others are between.
local FROM_METHOD, FROM_CHECK = 3, 4

local function outside(self, name, class, by_turn, depth)
  if type(self) ~= "table" or getmetatable(self) ~= class then
    error(format("bad argument #1 to '%s' (%s expected, got %s)", name, class.name,
      self == nil and "no value" or type(self)), depth or FROM_METHOD)
  end
  if self.run ~= current or by_turn and self.turn ~= current.turn then error(OUTSIDE, depth or FROM_METHOD) end
end

local function wrong(n, name, wanted, value, count, depth)
  error(format("bad argument #%d to '%s' (%s expected, got %s)", n, name, wanted,
    n > count and "no value" or type(value)), depth or FROM_CHECK)
end

local function text(value, n, name, count, depth)
  if type(value) == "string" then return value end
  if type(value) ~= "number" then wrong(n, name, "string", value, count, depth) end
  return (tostring(value))
end

local function number(value, n, name, count, depth)
  if type(value) == "number" then return value end
  local converted = type(value) == "string" and tonumber(value)
  if not converted then wrong(n, name, "number", value, count, depth) end
  return converted
end

local function flag(value, n, name)
  if value ~= nil and type(value) ~= "boolean" then wrong(n, name, "boolean", value, n) end
  return value == true
end

local function class(name, methods)
  local meta = { name = name, is_of_envoy = true, __index = methods }
  meta.__newindex = function() error("attempt to index an object of Envoy (a userdata value)", 2) end
  for level, word in pairs({ [0] = "Trace", "Debug", "Info", "Warn", "Err", "Critical" }) do
    local log = "log" .. word
    methods[log] = function(self, ...)
      outside(self, log, meta, meta.by_turn)
      local message = ...
      native.log(level, text(message, 1, log, select("#", ...)))
    end
  end
  return meta
end

-- One object of each kind a turn.
local function object(meta, key, value)
  local made = current.made
  if not made then
    made = {}
    current.made = made
  end
  local it = made[key]
  if not it then
    it = setmetatable({ run = current, turn = current.turn, of = value }, meta)
    made[key] = it
  end
  return it
end

-- An iterator over a list of names and values, of which an object has one at a time.
local function each(self, list)
  if self.iterates then error("cannot create a second iterator before completing the first", 3) end
  rawset(self, "iterates", true)
  local at = -1
  return function()
    if self.run ~= current or self.turn ~= current.turn then error(OUTSIDE, 2) end
    at = at + 2
    local name = list[at]
    if name == nil then
      rawset(self, "iterates", false)
      return nil
    end
    return name, list[at + 1]
  end
end

local headers, Headers = {}, nil

local function changes(self, name)
  outside(self, name, Headers, true, FROM_CHECK)
  if self.iterates then error("header map cannot be modified while iterating", 3) end
  if not native.may_change(self.of) then error("header map can no longer be modified", 3) end
end

function headers.add(self, ...)
  changes(self, "add")
  local key, value = ...
  local count = select("#", ...)
  native.add(self.of, text(key, 1, "add", count), text(value, 2, "add", count))
end

function headers.replace(self, ...)
  changes(self, "replace")
  local key, value = ...
  local count = select("#", ...)
  native.replace(self.of, text(key, 1, "replace", count), text(value, 2, "replace", count))
end

function headers.remove(self, ...)
  changes(self, "remove")
  native.remove(self.of, text((...), 1, "remove", select("#", ...)))
end

function headers.get(self, ...)
  outside(self, "get", Headers, true)
  local value = native.get(self.of, text((...), 1, "get", select("#", ...)))
  if value then return value end
end

function headers.getAtIndex(self, ...)
  outside(self, "getAtIndex", Headers, true)
  local key, index = ...
  local count = select("#", ...)
  local value = native.get_at(self.of, text(key, 1, "getAtIndex", count), number(index, 2, "getAtIndex", count))
  if value then return value end
end

function headers.getNumValues(self, ...)
  outside(self, "getNumValues", Headers, true)
  return (native.count(self.of, text((...), 1, "getNumValues", select("#", ...))))
end

function headers.setHttp1ReasonPhrase(self, ...)
  outside(self, "setHttp1ReasonPhrase", Headers, true)
  native.reason_phrase(self.of, text((...), 1, "setHttp1ReasonPhrase", select("#", ...)))
end

Headers = class("header map", headers)
Headers.by_turn = true
Headers.__pairs = function(self)
  outside(self, "pairs", Headers, true)
  return (each(self, native.all(self.of)))
end

local buffer, Buffer = {}, nil

function buffer.length(self)
  outside(self, "length", Buffer, true)
  return (native.length())
end

function buffer.getBytes(self, ...)
  outside(self, "getBytes", Buffer, true)
  local index, length = ...
  local count = select("#", ...)
  local bytes = native.bytes(number(index, 1, "getBytes", count), number(length, 2, "getBytes", count))
  if not bytes then
    error("index/length must be >= 0 and (index + length) must be <= buffer size", 2)
  end
  return bytes
end

function buffer.setBytes(self, ...)
  outside(self, "setBytes", Buffer, true)
  return (native.set_bytes(text((...), 1, "setBytes", select("#", ...))))
end

Buffer = class("buffer", buffer)
Buffer.by_turn = true

-- Of a route, a virtual host or a filter: `of` says whose.
local metadata, Metadata = {}, nil

function metadata.get(self, ...)
  outside(self, "get", Metadata, true)
  local found, value = native.metadata_get(self.of, text((...), 1, "get", select("#", ...)))
  if found then return value end
end

Metadata = class("metadata", metadata)
Metadata.by_turn = true
Metadata.__pairs = function(self)
  outside(self, "pairs", Metadata, true)
  return (each(self, native.metadata_all(self.of)))
end

local dynamic, Dynamic = {}, nil

function dynamic.get(self, ...)
  outside(self, "get", Dynamic, true)
  local value = native.dynamic_get(text((...), 1, "get", select("#", ...)))
  if value ~= nil then return value end
end

function dynamic.set(self, ...)
  outside(self, "set", Dynamic, true)
  if self.iterates then error("dynamic metadata map cannot be modified while iterating", 2) end
  local namespace, key, value = ...
  local count = select("#", ...)
  namespace = text(namespace, 1, "set", count)
  local wrong_one = native.dynamic_set(namespace, text(key, 2, "set", count), value)
  if wrong_one then error(wrong_one, 2) end
end

Dynamic = class("dynamic metadata", dynamic)
Dynamic.by_turn = true
Dynamic.__pairs = function(self)
  outside(self, "pairs", Dynamic, true)
  return (each(self, native.dynamic_all()))
end

-- Connections have none in this proxy that filters could set.
local connection_metadata, ConnectionMetadata = {}, nil

function connection_metadata.get(self, ...)
  outside(self, "get", ConnectionMetadata, true)
  text((...), 1, "get", select("#", ...))
end

ConnectionMetadata = class("connection's dynamic metadata", connection_metadata)
ConnectionMetadata.by_turn = true
ConnectionMetadata.__pairs = function(self)
  outside(self, "pairs", ConnectionMetadata, true)
  return (each(self, {}))
end

local filter_state, FilterState = {}, nil

function filter_state.get(self, ...)
  outside(self, "get", FilterState, true)
  local name, field = ...
  local count = select("#", ...)
  name = text(name, 1, "get", count)
  if field ~= nil then field = text(field, 2, "get", count) end
  local value = native.filter_state_get(name, field)
  if value then return value end
end

function filter_state.set(self, ...)
  outside(self, "set", FilterState, true)
  local name, kind, value = ...
  local count = select("#", ...)
  name, kind = text(name, 1, "set", count), text(kind, 2, "set", count)
  local wrong_one = native.filter_state_set(name, kind, text(value, 3, "set", count))
  if wrong_one then error(wrong_one, 2) end
end

FilterState = class("filter state", filter_state)
FilterState.by_turn = true

local name_of, Name = {}, nil

function name_of.commonName(self)
  outside(self, "commonName", Name, true)
  return (native.subject_name())
end

function name_of.organizationName(self)
  outside(self, "organizationName", Name, true)
  return (native.subject_organizations())
end

Name = class("parsed name", name_of)
Name.by_turn = true

local tls, Tls = {}, nil

for at, name in pairs({
  "peerCertificatePresented", "peerCertificateValidated", "uriSanLocalCertificate", "sha256PeerCertificateDigest",
  "serialNumberPeerCertificate", "issuerPeerCertificate", "subjectPeerCertificate", "uriSanPeerCertificate",
  "subjectLocalCertificate", "dnsSansPeerCertificate", "dnsSansLocalCertificate", "oidsPeerCertificate",
  "oidsLocalCertificate", "validFromPeerCertificate", "expirationPeerCertificate", "sessionId", "ciphersuiteId",
  "ciphersuiteString", "tlsVersion", "urlEncodedPemEncodedPeerCertificate",
  "urlEncodedPemEncodedPeerCertificateChain",
}) do
  tls[name] = function(self)
    outside(self, name, Tls, true)
    return (native.tls(at))
  end
end

function tls.parsedSubjectPeerCertificate(self)
  outside(self, "parsedSubjectPeerCertificate", Tls, true)
  if native.has_peer_certificate() then return object(Name, "name") end
end

Tls = class("SSL connection", tls)
Tls.by_turn = true

local info, Info = {}, nil

for at, name in pairs({
  "protocol", "routeName", "virtualClusterName", "downstreamLocalAddress", "downstreamDirectLocalAddress",
  "downstreamRemoteAddress", "downstreamDirectRemoteAddress", "requestedServerName",
}) do
  info[name] = function(self)
    outside(self, name, Info, true)
    return (native.info(at))
  end
end

function info.dynamicMetadata(self)
  outside(self, "dynamicMetadata", Info, true)
  return (object(Dynamic, "dynamic"))
end

function info.dynamicTypedMetadata(self, ...)
  outside(self, "dynamicTypedMetadata", Info, true)
  text((...), 1, "dynamicTypedMetadata", select("#", ...))
  return nil
end

function info.filterState(self)
  outside(self, "filterState", Info, true)
  return (object(FilterState, "state"))
end

local function tls_object(key)
  if native.has_tls() then return (object(Tls, key)) end
  return nil
end

function info.downstreamSslConnection(self)
  outside(self, "downstreamSslConnection", Info, true)
  return (tls_object("tls of stream"))
end

function info.drainConnectionUponCompletion(self)
  outside(self, "drainConnectionUponCompletion", Info, true)
  native.drain()
end

Info = class("stream info", info)
Info.by_turn = true

local connection_info, ConnectionInfo = {}, nil

function connection_info.dynamicMetadata(self)
  outside(self, "dynamicMetadata", ConnectionInfo, true)
  return (object(ConnectionMetadata, "connection_metadata"))
end

function connection_info.dynamicTypedMetadata(self, ...)
  outside(self, "dynamicTypedMetadata", ConnectionInfo, true)
  text((...), 1, "dynamicTypedMetadata", select("#", ...))
  return nil
end

ConnectionInfo = class("connection stream info", connection_info)
ConnectionInfo.by_turn = true

local connection, Connection = {}, nil

function connection.ssl(self)
  outside(self, "ssl", Connection, true)
  return (tls_object("tls of connection"))
end

Connection = class("connection", connection)
Connection.by_turn = true

local place, Place = {}, nil

function place.metadata(self)
  outside(self, "metadata", Place, true)
  return (object(Metadata, self.of, self.of))
end

Place = class("route", place)
Place.by_turn = true

local counter, gauge, histogram = {}, {}, {}
local Counter, Gauge, Histogram

local function stat(methods, meta, name, kind, act)
  methods[name] = function(self, ...)
    outside(self, name, meta())
    local value = 1
    if act ~= "one" then value = number((...), 1, name, select("#", ...)) end
    native.stat(kind, self.of, value)
  end
end

stat(counter, function() return Counter end, "inc", 0, "one")
stat(counter, function() return Counter end, "add", 0)
stat(gauge, function() return Gauge end, "inc", 1, "one")
stat(gauge, function() return Gauge end, "add", 1)
stat(gauge, function() return Gauge end, "dec", 2, "one")
stat(gauge, function() return Gauge end, "sub", 2)
stat(gauge, function() return Gauge end, "set", 3)
stat(histogram, function() return Histogram end, "recordValue", 4)

function counter.value(self)
  outside(self, "value", Counter)
  return (native.stat_value(0, self.of))
end

function gauge.value(self)
  outside(self, "value", Gauge)
  return (native.stat_value(1, self.of))
end

Counter, Gauge, Histogram = class("counter", counter), class("gauge", gauge), class("histogram", histogram)

local stats, Stats = {}, nil

local function stat_of(meta, kind, name, unit)
  local at, wrong_one = native.stat_of(kind, name, unit)
  if not at then error(wrong_one, 3) end
  return setmetatable({ run = current, turn = current.turn, of = at }, meta)
end

function stats.counter(self, ...)
  outside(self, "counter", Stats, true)
  local it = stat_of(Counter, 0, text((...), 1, "counter", select("#", ...)), "")
  return it
end

function stats.gauge(self, ...)
  outside(self, "gauge", Stats, true)
  local it = stat_of(Gauge, 1, text((...), 1, "gauge", select("#", ...)), "")
  return it
end

function stats.histogram(self, ...)
  outside(self, "histogram", Stats, true)
  local name, unit = ...
  local count = select("#", ...)
  name = text(name, 1, "histogram", count)
  if unit ~= nil then unit = text(unit, 2, "histogram", count) end
  local it = stat_of(Histogram, 4, name, unit or "unspecified")
  return it
end

Stats = class("stats scope", stats)
Stats.by_turn = true

local key, Key = {}, nil

function key.get(self)
  outside(self, "get", Key)
  return (native.key_get(self.of))
end

Key = class("public key", key)

local handle, Handle = {}, nil

function handle.headers(self)
  outside(self, "headers", Handle)
  return (object(Headers, "headers", OWN))
end

function handle.requestHeaders(self)
  outside(self, "requestHeaders", Handle)
  return (object(Headers, "requestHeaders", REQUEST))
end

function handle.body(self, ...)
  outside(self, "body", Handle)
  local state = native.body(flag((...), 1, "body"))
  if state == NONE then return end
  if state == STARTED then error("cannot call body() after body streaming has started", 2) end
  if state == STREAMED then error("cannot call body() after body has been streamed", 2) end
  if state == LATER then yield(OURS, BODY) end
  return (object(Buffer, "body"))
end

function handle.bodyChunks(self)
  outside(self, "bodyChunks", Handle)
  if not native.begin_chunks() then error("cannot call bodyChunks after body processing has begun", 2) end
  return function()
    outside(self, "bodyChunks", Handle)
    if not native.awaits_chunk() then return nil end
    yield(OURS, CHUNK)
    if not native.has_chunk() then return nil end
    return (object(Buffer, "body"))
  end
end

function handle.trailers(self)
  outside(self, "trailers", Handle)
  local state = native.trailers()
  if state == LATER then
    yield(OURS, TRAILERS)
    state = native.trailers()
  end
  if state ~= HERE then return end
  return (object(Headers, "trailers", TRAILER_MAP))
end

-- Names and values in turn; a value may be a list of values.
local function list_of(fields, name, at)
  local list, count = {}, 0
  for key, value in next, fields do
    if type(value) == "table" then
      for _, one in next, value do
        list[count + 1], list[count + 2] = text(key, at, name, 99, 5), text(one, at + 2, name, 99, 5)
        count = count + 2
      end
    else
      list[count + 1], list[count + 2] = text(key, at, name, 99, 5), text(value, at, name, 99, 5)
      count = count + 2
    end
  end
  return list
end

local OPTIONS = {
  asynchronous = function(options, value) options.asynchronous = value and true or false end,
  timeout_ms = function(options, value)
    options.timeout = type(value) == "number" and value or tonumber(value)
    return options.timeout == nil
  end,
  trace_sampled = function(options, value) options.trace_sampled = value and true or false end,
  return_duplicate_headers = function(options, value) options.keeps_all = value and true or false end,
  send_xff = function(options, value) options.hides_address = not value end,
}

local function options_of(given, count, flag_given)
  local options = {}
  if type(given) == "table" then
    for name, value in next, given do
      local set = OPTIONS[name]
      if not set then error(format('"%s" is not valid key for httpCall() options', tostring(name)), 3) end
      if set(options, value) then wrong(count + 3, "httpCall", "number", value, 99) end
    end
  else
    if count >= 5 and type(flag_given) ~= "boolean" then
      error("http call asynchronous flag must be 'true', 'false', or empty", 3)
    end
    options.timeout = number(given, 4, "httpCall", count, 5)
    options.asynchronous = flag_given
  end
  if (options.timeout or 0) < 0 then error("http call timeout must be >= 0", 3) end
  return options
end

function handle.httpCall(self, ...)
  outside(self, "httpCall", Handle)
  local cluster, fields, body, given, flag_given = ...
  local count = select("#", ...)
  local options = options_of(given, count, flag_given)
  cluster = text(cluster, 1, "httpCall", count)
  if type(fields) ~= "table" then wrong(2, "httpCall", "table", fields, count, FROM_METHOD) end
  if body ~= nil then body = text(body, 3, "httpCall", count) end
  local wrong_one = native.call(cluster, list_of(fields, "httpCall", count + 3), body, options.timeout or 0,
    options.asynchronous == true, options.hides_address == true, options.trace_sampled)
  if wrong_one then error(wrong_one, 2) end
  if options.asynchronous then return end
  yield(OURS, CALL)
  return native.answer(options.keeps_all == true)
end

function handle.respond(self, ...)
  outside(self, "respond", Handle)
  local fields, body = ...
  local count = select("#", ...)
  local wrong_one = native.may_respond()
  if wrong_one then error(wrong_one, 2) end
  if type(fields) ~= "table" then wrong(1, "respond", "table", fields, count, FROM_METHOD) end
  local list = list_of(fields, "respond", count + 3)
  if body ~= nil then body = text(body, 2, "respond", count) end
  wrong_one = native.respond(list, body)
  if wrong_one then error(wrong_one, 2) end
  yield(OURS, RESPOND)
end

function handle.metadata(self)
  outside(self, "metadata", Handle)
  return (object(Metadata, 0, 0))
end

function handle.route(self)
  outside(self, "route", Handle)
  return (object(Place, "route", 0))
end

function handle.virtualHost(self)
  outside(self, "virtualHost", Handle)
  return (object(Place, "virtualHost", 1))
end

function handle.filterContext(self)
  outside(self, "filterContext", Handle)
  return (object(Metadata, 2, 2))
end

function handle.streamInfo(self)
  outside(self, "streamInfo", Handle)
  return (object(Info, "info"))
end

function handle.connection(self)
  outside(self, "connection", Handle)
  return (object(Connection, "connection"))
end

function handle.connectionStreamInfo(self)
  outside(self, "connectionStreamInfo", Handle)
  return (object(ConnectionInfo, "connectionStreamInfo"))
end

function handle.stats(self)
  outside(self, "stats", Handle)
  return (object(Stats, "stats"))
end

function handle.setUpstreamOverrideHost(self, ...)
  outside(self, "setUpstreamOverrideHost", Handle)
  local host, strict = ...
  host = text(host, 1, "setUpstreamOverrideHost", select("#", ...))
  strict = flag(strict, 2, "setUpstreamOverrideHost")
  if not native.override_host(host, strict) then error("host is not a valid IP address", 2) end
end

function handle.clearRouteCache(self)
  outside(self, "clearRouteCache", Handle)
  native.clear_route()
end

function handle.base64Escape(self, ...)
  outside(self, "base64Escape", Handle)
  return (native.base64(text((...), 1, "base64Escape", select("#", ...))))
end

function handle.base64Decode(self, ...)
  outside(self, "base64Decode", Handle)
  return (native.from_base64(text((...), 1, "base64Decode", select("#", ...))))
end

function handle.timestamp(self, resolution)
  outside(self, "timestamp", Handle)
  if resolution ~= nil and tonumber(resolution) ~= 0 then
    error("timestamp format must be MILLISECOND.", 2)
  end
  return (native.milliseconds())
end

function handle.timestampString(self, resolution)
  outside(self, "timestampString", Handle)
  local unit = resolution == nil and 0 or tonumber(resolution)
  if unit ~= 0 and unit ~= 1 then
    error("timestamp format must be MILLISECOND or MICROSECOND.", 2)
  end
  return (native.time_text(unit == 1))
end

function handle.importPublicKey(self, ...)
  outside(self, "importPublicKey", Handle)
  local der, length = ...
  local count = select("#", ...)
  der = text(der, 1, "importPublicKey", count)
  length = number(length, 2, "importPublicKey", count)
  return setmetatable({ run = current, turn = current.turn, of = der:sub(1, length) }, Key)
end

function handle.verifySignature(self, ...)
  outside(self, "verifySignature", Handle)
  local hash, by, signature, signature_length, data, data_length = ...
  local count = select("#", ...)
  hash = text(hash, 1, "verifySignature", count)
  if type(by) == "table" and getmetatable(by) == Key then by = by.of end
  by = text(by, 2, "verifySignature", count)
  signature = text(signature, 3, "verifySignature", count)
  signature = signature:sub(1, number(signature_length, 4, "verifySignature", count))
  data = text(data, 5, "verifySignature", count)
  data = data:sub(1, number(data_length, 6, "verifySignature", count))
  local why, is_wrong_key = native.verify(hash, by, signature, data)
  if is_wrong_key then error(why, 2) end
  return why == nil, why
end

Handle = class("stream handle", handle)

-- A coroutine that runs one script after another.
local function serve(script, it)
  while true do
    script(it)
    script, it = yield(OURS, DONE)
  end
end

local function step(run, script, it)
  local outer = current
  run.turn = run.turn + 1
  run.made = nil
  current = run
  local ok, whose, what = resume(run.by, script, it)
  current = outer
  if not ok then
    local said = type(whose)
    return FAILED, (said == "string" or said == "number") and tostring(whose) or "unspecified lua error"
  end
  if whose ~= OURS then return FAILED, "script performed an unexpected yield" end
  if what == DONE then idle[#idle + 1] = run.by end
  return what
end

local function start(script)
  local by = idle[#idle]
  if by then
    idle[#idle] = nil
  else
    by = create(serve)
  end
  local run = { by = by, turn = 0 }
  local what, why = step(run, script, setmetatable({ run = run }, Handle))
  return run, what, why
end

-- What a script that chooses clusters sees of a request: its headers, to be read.
local RouteHeaders, RouteHandle
RouteHeaders = class("header map", {
  get = function(self, ...)
    outside(self, "get", RouteHeaders)
    local value = native.get(OWN, text((...), 1, "get", select("#", ...)))
    if value then return value end
  end,
})

RouteHandle = class("route handle", {
  headers = function(self)
    outside(self, "headers", RouteHandle)
    return (object(RouteHeaders, "headers"))
  end,
})

-- The last value counts, as it is on top of Lua's stack.
local function last(ok, ...)
  local count = select("#", ...)
  if count == 0 then return ok end
  return ok, (select(count, ...))
end

local function choose(script)
  local outer = current
  local by = create(script)
  local run = { by = by, turn = 1 }
  current = run
  local ok, value = last(resume(by, setmetatable({ run = run, turn = 1 }, RouteHandle)))
  current = outer
  local is_text = type(value) == "string" or type(value) == "number"
  if not ok then return false, is_text and tostring(value) or "unspecified lua error" end
  if status(by) ~= "dead" then return true, "" end
  return true, is_text and tostring(value) or nil
end

return start, step, choose
