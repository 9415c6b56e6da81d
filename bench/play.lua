-- Plays the requests of a file over and over, in the file's order, and reports as JSON.
--
-- Arguments: the file, with requests separated by NUL; a tag that is unique to the run; the mode.
-- In a request, byte 1 is replaced by a unique key (the same one everywhere in it), byte 2 by the
-- event's version.
-- Modes:
--   flat out  each connection sends the next request as soon as it has an answer
--   paced     ... and after a pause of 50 to 150 ms
--   patient   ... and after a pause of 250 to 750 ms
--   tracking  each request has the newest version of any answer, like a strict client; this reads
--             every answer, so it costs the load generator more
--   many      flat out; an answer with an error in it counts as a refusal, whatever its status
--   many paced  ... and after a pause of 50 to 150 ms

local PAUSES_MS = { paced = { 50, 150 }, patient = { 250, 750 }, ["many paced"] = { 50, 150 } }
local CONFLICT = 409

local threads = {}

function setup(thread)
  thread:set("number", #threads)
  table.insert(threads, thread)
end

local before_key, after_key, before_version, after_version = {}, {}, {}, {}
-- Whether there is a key in what comes after the first one.
local has_keys = {}
local turn, keys, prefix = 0, 0, ""
local version = 1
refused = 0
-- Answers 200 with an error in them.
failed = 0

local function read_requests(path)
  local file = assert(io.open(path, "rb"))
  for request in file:read("*a"):gmatch("%Z+") do
    local at = #before_key + 1
    local head, rest = request:match("^(.-)\1(.*)$")
    before_key[at] = head or request
    after_key[at] = rest
    if rest then
      before_version[at], after_version[at] = rest:match("^(.-)\2(.*)$")
      has_keys[at] = rest:find("\1", 1, true) ~= nil
    end
  end
  file:close()
end

local function track(status, _, body)
  local told = body:match('"version":(%d+)')
  if status == CONFLICT then
    refused = refused + 1
    told = body:match('"current_version":(%d+)')
  end
  told = tonumber(told)
  if told and told > version then
    version = told
  end
end

local function look_inside(status, _, body)
  if status == 200 and body:find('"error"', 1, true) then
    failed = failed + 1
  end
end

function init(arguments)
  read_requests(arguments[1])
  prefix = arguments[2] .. string.format("-%03d-", number)
  -- Each thread starts with another event.
  turn = number * 7
  local pause = PAUSES_MS[arguments[3]]
  if pause then
    delay = function() return math.random(pause[1], pause[2]) end
  end
  if arguments[3] == "tracking" then
    response = track
  elseif arguments[3]:find("many", 1, true) then
    response = look_inside
  end
end

function request()
  turn = turn % #before_key + 1
  if not after_key[turn] then
    return before_key[turn]
  end
  keys = keys + 1
  -- Always as wide as Content-Length assumes.
  local key = prefix .. string.format("%09d", keys)
  if has_keys[turn] then
    return before_key[turn] .. key .. after_key[turn]:gsub("\1", key)
  end
  if not before_version[turn] then
    return before_key[turn] .. key .. after_key[turn]
  end
  -- Padded to the width that Content-Length assumes; JSON allows the spaces.
  local padded = string.format("%12d", version)
  return before_key[turn] .. key .. before_version[turn] .. padded .. after_version[turn]
end

function done(summary, latency)
  local conflicts, inside = 0, 0
  for _, thread in ipairs(threads) do
    conflicts = conflicts + thread:get("refused")
    inside = inside + thread:get("failed")
  end
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"duration_us":%d,"p50_us":%d,"p99_us":%d,"p999_us":%d,"conflicts":%d,'
      .. '"status":%d,"connect":%d,"read":%d,"write":%d,"timeout":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    latency:percentile(99.9), conflicts, errors.status + inside, errors.connect, errors.read, errors.write,
    errors.timeout))
end
