--- A driver for transcripts of a whole server, its handlers included, in
--- memory: see spec/support/transcript.lua. The octets of the client may be
--- cut anywhere.

local server_of = require "lunapost.smtp.server"
local session_of = require "lunapost.smtp.session"

local M = {}

-- Nothing here waits but for octets: those the driver brings.
local still <const> = { wait = function() return true end,
  forget = function() end, spawn = function() end, sleep = function() end }

local function pieces(session, octets)
  return function()
    if octets == "" then return nil end
    octets = octets:sub(session.machine:feed(octets) + 1)
    return octets
  end
end

--- Makes drivers; "> new NAME" begins a dialogue of the case of that name,
--- "> end" ends the client's side.
---@param cases table<string, fun(note: fun(text: string)): table>  gives the
--- options of a server; what it notes are the events of the transcript
---@return fun(): table
function M.drivers(cases)
  return function()
    local self, notes, session, co = { hears = "C" }, {}, nil, nil

    local function go_on()
      if coroutine.status(co) == "dead" then return end
      local ok, problem = coroutine.resume(co)
      assert(ok, problem)
    end

    local function begin(name)
      local options = assert(cases[name], "no case " .. name)(function(text)
        notes[#notes + 1] = text
      end)
      options.hostname, options.loop = "mx.test", still
      options.log = function(record)
        if record.level == "info" then return end
        notes[#notes + 1] = "log " .. tostring(record)
      end
      -- what is cut into octets is never pipelined
      if options.early_pipelining == nil then
        options.early_pipelining = true
      end
      local server = server_of.new(options)
      server:prepare()
      session = session_of.new(server, nil,
        { address = options.listen or "127.0.0.1", port = 4321 })
      session.bring = function()
        coroutine.yield()
        return true
      end
      co = coroutine.create(session.drive)
      assert(coroutine.resume(co, session))
    end

    function self.act(text)
      local name = text:match("^new (.*)$")
      if name then return begin(name) end
      session.machine:finish()
      go_on()
    end

    function self.feed(octets)
      for _ in pieces(session, octets) do go_on() end
    end

    function self.output() return session.machine:output() end
    function self.event() return table.remove(notes, 1) end
    return self
  end
end

return M
