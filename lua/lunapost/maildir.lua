--- Delivery to a Maildir: a message is written under tmp, synced, renamed
--- into new, and the folder synced, before anyone is told that it is there.
--- What is cut off on the way is removed, so new never holds a part.

local core = require "lunapost.core"
local err = require "lunapost.err"
local flush = require "lunapost.net.flush"

local system = core.system

local M = {}

---@class lunapost.maildir
local Maildir = {}
local meta = { __name = "lunapost.maildir", __index = Maildir }

---@class lunapost.delivery  a message on its way; <close> drops it unless kept
local Delivery = {}
local delivery_meta = { __name = "lunapost.delivery", __index = Delivery }

local delivered = 0

local function failure(text)
  return nil, err.of("limit", text, { transient = true })
end

--- Opens a Maildir; makes its folders where they are missing.
---@param path string
---@param options? { durable: boolean, loop: table }  durable = false: nothing
--- is synced, a power cut may take what was delivered; loop: whose tasks
--- deliver, without stopping each other (default: the built-in one)
---@return lunapost.maildir?, lunapost.err?
function M.open(path, options)
  for _, folder in ipairs { "", "/tmp", "/new", "/cur" } do
    local ok, text = system.make_folder(path .. folder, tonumber("700", 8))
    if not ok then return failure(text) end
  end
  return setmetatable({ path = path,
    loop = options and options.loop,
    durable = not options or options.durable ~= false }, meta)
end

-- Hosts that share a folder may be called alike, and number their processes
-- alike: hence random digits, too.
local function unique()
  delivered = delivered + 1
  local seconds = system.time()
  local random = string.unpack("<I4", assert(core.crypto.random(4)))
  return ("%d.M%06dP%dQ%dR%08x.%s"):format(seconds // 1 | 0,
    seconds % 1 * 1000000 // 1 | 0, system.pid(), delivered, random,
    (system.hostname():gsub("[/:]", "_")))
end

--- Begins a delivery.
---@return lunapost.delivery?, lunapost.err?
function Maildir:begin()
  local name = unique()
  local temporary = self.path .. "/tmp/" .. name
  local file, text = system.create(temporary, true)
  if not file then return failure(text) end
  file:setvbuf("full", 65536)
  return setmetatable({ maildir = self, name = name, file = file,
    temporary = temporary }, delivery_meta)
end

--- Writes octets; the first failure is kept for commit.
---@param bytes string
function Delivery:write(bytes)
  if self.problem then return end
  local ok, text = self.file:write(bytes)
  if not ok then self.problem = text end
end

--- Removes what was written, unless it was committed.
function Delivery:drop()
  if self.kept then return end
  if self.file then self.file:close() end
  self.file, self.kept = nil, true
  system.remove(self.final or self.temporary)
end

delivery_meta.__close = Delivery.drop

-- Each step of making it durable: true, or nil and why not. Whoever ends the
-- task while the disk is waited for leaves the message to drop.
local function settle(self, final)
  local file, maildir = self.file, self.maildir
  self.file = nil
  local ok, text = file:close()
  if ok and maildir.durable then
    ok, text = flush.path(self.temporary, maildir.loop)
  end
  if ok then ok, text = system.rename(self.temporary, final) end
  if ok then self.final = final end
  if ok and maildir.durable then
    ok, text = flush.path(maildir.path .. "/new", maildir.loop)
  end
  return ok, text
end

--- Makes the message durable and visible; nothing is kept where that fails.
---@return string? path, lunapost.err? err
function Delivery:commit()
  local final = self.maildir.path .. "/new/" .. self.name
  local ok, text = nil, self.problem
  if not text then ok, text = settle(self, final) end
  if not ok then
    self:drop()
    return failure(tostring(text))
  end
  self.kept = true
  return final
end

--- Delivers a whole message.
---@param bytes string
---@return string? path, lunapost.err? err
function Maildir:deliver(bytes)
  local delivery <close>, problem = self:begin()
  if not delivery then return nil, problem end
  delivery:write(bytes)
  return delivery:commit()
end

return M
