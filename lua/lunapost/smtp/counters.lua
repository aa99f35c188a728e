--- What a server counts, how scripts see it (server:stats) and how
--- Prometheus does (server:metrics, text format 0.0.4).
---
--- Each process counts in a plain table. Workers publish theirs in memory
--- that all of them share, once a second, so that each can tell of all.

local core = require "lunapost.core"

local M = {}

-- key in counts, place in stats, name and label of the metric. Those of one
-- name stand together.
local facts <const> = {
  { "sessions", "sessions", "sessions" },
  { "accepted", "accepted", "connections_total", 'result="accepted"' },
  { "refused", "refused", "connections_total", 'result="refused"' },
  { "secured", "secured", "tls_handshakes_total" },
  { "auth_ok", "auth.ok", "auth_total", 'result="ok"' },
  { "auth_failed", "auth.failed", "auth_total", 'result="failed"' },
  { "messages", "messages", "messages_total", 'result="accepted"' },
  { "messages_refused", "messages_refused", "messages_total",
    'result="refused"' },
  { "octets", "octets", "message_octets_total" },
  { "recipients", "recipients", "recipients_total", 'result="accepted"' },
  { "recipients_refused", "recipients_refused", "recipients_total",
    'result="refused"' },
  { "replies_2", "replies.2", "replies_total", 'class="2"' },
  { "replies_3", "replies.3", "replies_total", 'class="3"' },
  { "replies_4", "replies.4", "replies_total", 'class="4"' },
  { "replies_5", "replies.5", "replies_total", 'class="5"' },
  { "ended_quit", "ended.quit", "sessions_ended_total", 'why="quit"' },
  { "ended_closed", "ended.closed", "sessions_ended_total", 'why="closed"' },
  { "ended_timeout", "ended.timeout", "sessions_ended_total",
    'why="timeout"' },
  { "ended_tls", "ended.tls", "sessions_ended_total", 'why="tls"' },
  { "ended_error", "ended.error", "sessions_ended_total", 'why="error"' },
  { "ended_stopped", "ended.stopped", "sessions_ended_total",
    'why="stopped"' },
  { "faults", "faults", "handler_faults_total" },
}

local help <const> = {
  sessions = "Sessions that are open.",
  connections_total = "Connections, served or turned away.",
  tls_handshakes_total = "TLS handshakes that succeeded.",
  auth_total = "Ends of AUTH.",
  messages_total = "Messages that ended, by the answer to their end.",
  message_octets_total = "Octets of accepted messages.",
  recipients_total = "Answers to RCPT.",
  replies_total = "Replies by the first digit of their code.",
  sessions_ended_total = "Sessions that ended, and why.",
  handler_faults_total = "Errors that handlers raised.",
  workers = "Processes that serve.",
}

-- What is true now rather than summed up, and dies with its process.
local gauges <const> = { sessions = true, workers = true }

--- All counters of a process, at zero.
---@return table<string, integer>
function M.new()
  local counts = {}
  for _, fact in ipairs(facts) do counts[fact[1]] = 0 end
  return counts
end

---@class lunapost.counters.board  what workers share; slot 1 is the first's
local Board = {}
local board_meta = { __name = "lunapost.counters.board", __index = Board }

--- A board for so many workers: made before they are forked.
---@param workers integer
---@return lunapost.counters.board
function M.board(workers)
  return setmetatable({ workers = workers,
    shared = core.process.shared(workers * #facts) }, board_meta)
end

--- Writes a worker's counts onto the board.
---@param slot integer
---@param counts table<string, integer>
function Board:publish(slot, counts)
  local base = (slot - 1) * #facts
  for i, fact in ipairs(facts) do
    self.shared:set(base + i, counts[fact[1]])
  end
end

--- What a dead worker has counted: where its heir goes on.
---@param slot integer
---@return table<string, integer> counts
function Board:inherit(slot)
  local counts, base = {}, (slot - 1) * #facts
  for i, fact in ipairs(facts) do
    local key = fact[1]
    counts[key] = gauges[key] and 0 or self.shared:get(base + i)
  end
  self:publish(slot, counts)
  return counts
end

--- The sums over all workers.
---@return table<string, integer> counts
function Board:sum()
  local counts = M.new()
  for slot = 0, self.workers - 1 do
    for i, fact in ipairs(facts) do
      local key = fact[1]
      counts[key] = counts[key] + self.shared:get(slot * #facts + i)
    end
  end
  return counts
end

--- Counts as scripts see them: nested by the dots in their places.
---@param counts table<string, integer>
---@return table stats
function M.stats(counts)
  local stats = {}
  for _, fact in ipairs(facts) do
    local group, name = fact[2]:match "^(%a+)%.(%w+)$"
    if group then
      stats[group] = stats[group] or {}
      stats[group][tonumber(name) or name] = counts[fact[1]]
    else
      stats[fact[2]] = counts[fact[1]]
    end
  end
  stats.timeouts = stats.ended.timeout
  return stats
end

local function heading(name)
  return ("# HELP lunapost_%s %s\n# TYPE lunapost_%s %s\n"):format(name,
    help[name], name, gauges[name] and "gauge" or "counter")
end

--- Counts in Prometheus' text format 0.0.4.
---@param counts table<string, integer>
---@param workers integer
---@return string text
function M.metrics(counts, workers)
  local lines, last = {}, nil
  for _, fact in ipairs(facts) do
    local name, label = fact[3], fact[4]
    if name ~= last then lines[#lines + 1] = heading(name) end
    last = name
    lines[#lines + 1] = ("lunapost_%s%s %d\n"):format(name,
      label and "{" .. label .. "}" or "", counts[fact[1]])
  end
  lines[#lines + 1] = heading "workers"
  lines[#lines + 1] = ("lunapost_workers %d\n"):format(workers)
  return table.concat(lines)
end

return M
