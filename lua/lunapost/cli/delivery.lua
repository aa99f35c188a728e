--- What `lunapost serve --maildir` does with a body: it goes to disk as it
--- arrives, the script (if any) sees it on the way, and 250 is said once it
--- is safe.

local answer = require "lunapost.smtp.answer"
local body = require "lunapost.smtp.body"
local mime = require "lunapost.mime"
local trace = require "lunapost.smtp.trace"

local M = {}

-- Runs the script's own handler, if any, over a body that is also written
-- to the delivery as it is read.
local function ask_script(on, session, tee)
  if on.data then return on.data(session, tee) end
  if on.message then return on.message(session, mime.parse(tee:read())) end
end

-- True when the script wants the message for nobody.
local function refused(verdict)
  if not verdict then return false end
  if verdict.code then return verdict.code >= 300 end
  for _, one in ipairs(verdict) do
    if one.code < 300 then return false end
  end
  return true
end

local function cannot(session, problem)
  session.server.log { event = "error", session = session.id,
    text = tostring(problem) }
  return 451, "4.3.1", "cannot store the message"
end

--- A data handler that delivers what the script accepts.
---@param maildir lunapost.maildir
---@param on table  the script's handlers for data or message
---@param kept? fun(session: lunapost.session, path: string)
---@return fun(session: lunapost.session, reader: lunapost.body)
function M.handler(maildir, on, kept)
  return function(session, reader)
    local delivery <close>, problem = maildir:begin()
    if not delivery then return cannot(session, problem) end
    delivery:write(trace.return_path(session.envelope.from))
    delivery:write(session:received())
    local tee = body.new(function()
      local chunk = reader:read_chunk()
      if chunk then delivery:write(chunk) end
      return chunk
    end)
    local verdict = answer.returned(ask_script(on, session, tee))
    if refused(verdict) then return verdict end
    body.drain(tee)
    local path, err = delivery:commit()
    if not path then return cannot(session, err) end
    if kept then kept(session, path) end
    return verdict or answer.make(250, "2.0.0", "kept as " .. session.id)
  end
end

return M
