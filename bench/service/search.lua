-- Searches for wrk: one query of a file after the other (`QUERIES`), each thread from a place of its own; counts replies by
-- their status. With `DISTINCT` the first so many queries only, again and again.

local threads = {}

function setup(thread)
  thread:set("number", #threads)
  table.insert(threads, thread)
end

local function escaped(text)
  return (text:gsub("[^%w]", function(c) return string.format("%%%02X", string.byte(c)) end))
end

function init(args)
  addresses, replies = {}, {}
  local most = tonumber(os.getenv("DISTINCT") or "") or math.huge
  for query in io.lines(os.getenv("QUERIES")) do
    if #addresses < most then
      table.insert(addresses, "/api/search?q=" .. escaped(query))
    end
  end
  at = math.floor(number * #addresses / 8)
end

function request()
  at = at % #addresses + 1
  return wrk.format("GET", addresses[at])
end

function response(status)
  replies[status] = (replies[status] or 0) + 1
end

function done(summary, latency)
  local counts = {}
  for _, thread in ipairs(threads) do
    for status, count in pairs(thread:get("replies")) do
      counts[status] = (counts[status] or 0) + count
    end
  end
  local seconds = summary.duration / 1e6
  for status, count in pairs(counts) do
    io.write(string.format("status %d %.1f/s\n", status, count / seconds))
  end
  io.write(string.format("p50 %.2f ms\np99 %.2f ms\n", latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
