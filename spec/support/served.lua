--- Runs a spec's steps against a server in one loop, for a bounded time.

local loop = require "lunapost.loop"
local server_of = require "lunapost.smtp.server"

local M = {}

--- A log that gathers the texts of what is graver than news.
---@param list string[]
---@return fun(record: lunapost.log.record)
function M.log(list)
  return function(record)
    if record.level ~= "info" then list[#list + 1] = record.text end
  end
end

--- Starts a server on a free port, calls steps(server) as a task of the
--- loop, stops the server. What steps raises is raised here.
---@param options table  of smtp.server
---@param steps fun(server: table)
---@param seconds? number  default 100
function M.run(options, steps, seconds)
  options.listen = options.listen or "127.0.0.1:0"
  options.hostname = options.hostname or "mx.test"
  local server = server_of.new(options)
  local problem, done
  local task = loop.spawn(function()
    local ok, why = xpcall(function()
      assert(server:start())
      steps(server)
    end, debug.traceback)
    done = true
    if not ok then problem = why end
    server:stop(0)
    loop.stop()
  end)
  local watch = loop.spawn(function()
    loop.sleep(seconds or 100)
    problem = problem or "the spec took too long"
    loop.kill(task)
    server:stop(0)
    loop.stop()
  end)
  loop.run()
  if done then loop.kill(watch) end
  if problem then error(problem, 0) end
  return server
end

--- The keywords that a server offers at its first or another port.
---@param server table
---@param port? integer
---@return table<string, string>  the words behind each
function M.keywords(server, port)
  local smtp = require "lunapost.smtp"
  local client <close> = assert(smtp.connect { host = "127.0.0.1",
    port = port or server.port, timeout = 5 })
  assert(client:ehlo "me.test")
  client:quit()
  return client.extensions
end

return M
