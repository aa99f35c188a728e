-- Mail in the loop of another library: three letters at once by cqueues, by
-- luv and by copas, whichever of them is installed.
--
--   lua examples/loops.lua smtp://localhost:2525
local post = require "lunapost"

local server = arg[1] or "smtp://localhost:2525"
package.path = package.path .. ";/usr/share/lua/5.2/?.lua" -- Debian's copas

local function send(loop, name, i)
  local result, err = post.send {
    loop = loop, server = server, from = "ana@example.org",
    to = { "bob@example.net" }, subject = name .. " " .. i, text = "Hello.\n",
  }
  print(name, i, result and result.reply.text or err)
end

-- How each library starts a coroutine, and runs.
local carry = {}

function carry.cqueues(task)
  local queue = require("cqueues").new()
  for i = 1, 3 do queue:wrap(task, i) end
  assert(queue:loop())
end

function carry.luv(task)
  for i = 1, 3 do coroutine.wrap(task)(i) end
  require("luv").run()
end

function carry.copas(task)
  local copas, left = require "copas", 3
  for i = 1, 3 do
    copas.addthread(function()
      task(i)
      left = left - 1
    end)
  end
  while left > 0 do copas.step() end
end

for _, name in ipairs { "cqueues", "luv", "copas" } do
  local ok, loop = pcall(require, "lunapost.loops." .. name)
  if ok then
    carry[name](function(i) send(loop, name, i) end)
  else
    print(loop)
  end
end
