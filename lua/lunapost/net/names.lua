--- Names to addresses and back, without stopping the loop.

local ascii = require "lunapost.ascii"
local core = require "lunapost.core"
local default_loop = require "lunapost.loop"
local err = require "lunapost.err"

local now = core.loop.now

local M = {}

-- Names of peers: how many are kept, and for how many seconds.
local CACHE_SIZE <const> = 1024
local CACHE_FOUND <const> = 300
local CACHE_MISSING <const> = 60

-- The pool of this Lua state, and what is known of peers' names.
local pool
local cache, cache_count = {}, 0

---@class lunapost.net.wait
---@field loop? table  default: the built-in one
---@field timeout? number  seconds
---@field deadline? number  on the monotonic clock; beats timeout

--- When options say that a wait must end.
---@param options lunapost.net.wait
---@return number? deadline
function M.deadline(options)
  return options.deadline or options.timeout and now() + options.timeout
end

--- Waits for a descriptor until a deadline.
---@param loop table
---@param fd integer
---@param mode "r"|"w"|"rw"
---@param deadline number?
---@return true? ready
---@return string? why
function M.wait(loop, fd, mode, deadline)
  local left = deadline and deadline - now()
  if left and left <= 0 then return nil, "timeout" end
  return loop.wait(fd, mode, left)
end

-- The wait was over before the lookup: in time, or since somebody closed what
-- it waited for.
local function unanswered(name, why)
  local closed = why == "closed"
  return err.new { kind = closed and "closed" or "timeout", host = name,
    text = closed and "the wait for an answer was broken off"
      or "the name was not answered in time" }
end

--- Waits for a lookup and gives it up, whatever happens meanwhile.
---@param lookup userdata
---@param name string  for errors
---@param options lunapost.net.wait
---@return any answer
---@return lunapost.err? err
function M.settle(lookup, name, options)
  local loop = options.loop or default_loop
  local deadline = M.deadline(options)
  local _ <close> = setmetatable({}, { __close = function()
    loop.forget(lookup:fd())
    lookup:close()
  end })
  while true do
    local answer, kind, text, transient = lookup:result()
    if answer then return answer end
    if kind ~= "read" then
      return nil, err.new { kind = kind, text = text, host = name,
        transient = transient }
    end
    local ready, why = M.wait(loop, lookup:fd(), "r", deadline)
    if not ready then return nil, unanswered(name, why) end
  end
end

--- Asks the system's resolver on a thread of the pool.
---@param method "lookup"|"reverse"|"query"
---@param name string
---@param options lunapost.net.wait
---@param ... any  what the method takes besides
---@return any answer
---@return lunapost.err? err  dns or timeout
function M.ask(method, name, options, ...)
  pool = pool or assert(core.resolver.new())
  local lookup, kind, text = pool[method](pool, name, ...)
  if lookup then return M.settle(lookup, name, options) end
  local problem = err.new { kind = kind, text = text, host = name }
  if kind == "dns" then problem.transient = false end -- it can be no name
  return nil, problem
end

-- RFC 6761 6.3: this machine, even where no hosts file says so.
local function is_localhost(host)
  return ("." .. ascii.lower(host) .. "."):find("%.localhost%.+$") ~= nil
end

--- The addresses of a host, in the order to try them.
---@param host string  a name, or an address, which is its own answer
---@param options? lunapost.net.wait
---@return { address: string }[]? list  list.name is the canonical name
---@return lunapost.err? err  dns or timeout
function M.resolve(host, options)
  local list, problem = M.ask("lookup", host, options or {})
  if problem and problem.kind == "dns" and is_localhost(host) then
    return { { address = "127.0.0.1" }, { address = "::1" } }
  end
  if list and #list == 0 then
    return nil, err.new { kind = "dns", text = "no addresses", host = host }
  end
  return list, problem
end

local function remember(address, name, problem)
  if cache_count >= CACHE_SIZE then cache, cache_count = {}, 0 end
  if not cache[address] then cache_count = cache_count + 1 end
  cache[address] = { name = name, problem = problem,
    till = now() + (name and CACHE_FOUND or CACHE_MISSING) }
  return name, problem
end

--- The name of an address (PTR). Answers are kept for some minutes, failures
--- for one; that a wait was broken off says nothing of the name.
---@param address string
---@param options? lunapost.net.wait
---@return string? name
---@return lunapost.err? err  dns or timeout
function M.reverse(address, options)
  local known = cache[address]
  if known and known.till > now() then return known.name, known.problem end
  local name, problem = M.ask("reverse", address, options or {})
  if problem and problem.kind == "closed" then return nil, problem end
  return remember(address, name, problem)
end

--- The host's own full name: as configured when that has a dot, else what
--- the resolver makes of it; without a dot when nothing is better.
---@param options? lunapost.net.wait  default: at most 2 seconds
---@return string name
function M.fqdn(options)
  local name = core.system.hostname() or "localhost"
  if name:find(".", 1, true) then return name end
  local list = M.resolve(name, options or { timeout = 2 })
  local full = list and list.name
  local dotted = full and full:find "^[A-Za-z0-9%-]+%.[A-Za-z0-9%.%-]+$"
  return dotted and full or name
end

local private_v4 <const> = {
  "^0%.", "^10%.", "^127%.", "^169%.254%.", "^192%.168%.",
}

local function private_in_range(address)
  local a, b = address:match "^(%d+)%.(%d+)%."
  a, b = tonumber(a), tonumber(b)
  return a == 172 and b >= 16 and b < 32 or a == 100 and b >= 64 and b < 128
end

--- True for loopback, private and link-local addresses, and for what is no
--- address at all: nobody outside can name them.
---@param address string
---@return boolean
function M.is_private(address)
  if not core.net.numeric(address) then return true end
  if not address:find(":", 1, true) then
    for _, pattern in ipairs(private_v4) do
      if address:find(pattern) then return true end
    end
    return private_in_range(address)
  end
  local low = ascii.lower(address)
  return low == "::" or low == "::1" or low:find "^f[cd]" ~= nil
    or low:find "^fe[89ab]" ~= nil
end

return M
