--- Lines for `lunapost talk`: edited at a terminal, or read from a pipe.

local core = require "lunapost.core"
local editors = require "lunapost.cli.editor"
local loop = require "lunapost.loop"

local M = {}

---@class lunapost.talk.input
---@field terminal boolean
local Input = {}
local meta <const> = { __name = "lunapost.talk.input", __index = Input }

--- Makes the one of a terminal, or of whatever standard input is.
---@return lunapost.talk.input
function M.new()
  return setmetatable({ history = {}, terminal = core.system.is_terminal(0)
    and core.system.is_terminal(1) }, meta)
end

local function write(...)
  io.stdout:write(...)
  io.stdout:flush()
end

local function draw(input)
  write(input.editor:draw(core.terminal.columns(1)))
end

--- Prints a line; above the one that is being edited, if one is.
---@param text string
function Input:print(text)
  if not self.editing then return write(text, "\n") end
  write("\r\27[K", text, "\r\n")
  draw(self)
end

local function show_choices(input)
  local words = {}
  for i, one in ipairs(input.editor.choices) do
    words[i] = (one:gsub("%s+$", ""))
  end
  write("\r\n", table.concat(words, "  "), "\r\n")
end

local shows <const> = {
  choices = show_choices,
  bell = function() write("\a") end,
  clear = function() write("\27[H\27[2J") end,
  dropped = function() write("^C\r\n") end,
}

-- What is pressed next; nil at the end of input.
local function pressed(raw)
  return loop.wait(0, "r") and raw:read()
end

-- Goes on until there is a line, or the user leaves.
local function edit(input, raw)
  local octets = input.ahead or ""
  while octets do
    local event, line = input.editor:feed(octets)
    if event == "line" or event == "leave" then
      input.ahead = input.editor.pending
      write(input.editor:finished(line or ""))
      return line
    end
    if event then shows[event](input) end
    draw(input)
    octets = event and input.editor.pending ~= "" and "" or pressed(raw)
  end
end

-- A task beside the editing, which ends with it.
local function beside(fn)
  local task = fn and loop.spawn(fn)
  return setmetatable({}, { __close = function()
    if task then loop.kill(task) end
  end })
end

local function ask_terminal(input, options)
  local raw <close> = assert(core.terminal.raw(0))
  local _ <close> = beside(options.beside)
  input.editor = editors.new { prompt = options.prompt,
    hidden = options.hidden, complete = options.complete,
    history = options.forgets and {} or input.history }
  input.editing = true
  local line = edit(input, raw)
  input.editing = false
  loop.forget(0)
  write("\r\n")
  return line
end

--- The next line, or nil when there is none.
---@param options { prompt: string, hidden: boolean?, forgets: boolean?,
--- complete: function?, beside: function? }  forgets: no history knows it;
--- beside: a task while it is typed
---@return string? line
function Input:ask(options)
  if self.terminal then return ask_terminal(self, options) end
  local line = io.stdin:read "L"
  return line and (line:gsub("\r?\n$", ""))
end

--- Ends the editing of a line.
function Input:stop()
  if self.editing then loop.forget(0) end
end

return M
