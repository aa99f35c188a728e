--- What the verbs encode and decode share: a codec between standard input,
--- or a file, and standard output, in bounded memory.

local ascii = require "lunapost.ascii"
local M = {}

local chunk_size <const> = 1 << 16
local line_most <const> = 1 << 20

local exit <const> = { usage = 64, data = 65, no_input = 66, io = 74 }
M.exit = exit

---@param verb string
---@param text string
function M.say(verb, text)
  io.stderr:write("lunapost ", verb, ": ", text, "\n")
end

-- Raises { exit code, text } where the world fails.
local function check(ok, problem, code)
  if not ok then error({ code, tostring(problem) }, 0) end
  return ok
end

local function write(out, s)
  check(out:write(s), "cannot write", exit.io)
end

--- Pumps input through a codec's filter.
---@param f lunapost.codec.filter
function M.pump(f, input, out)
  local chunk = input:read(chunk_size)
  while chunk do
    local piece, problem = f:update(chunk)
    write(out, check(piece, problem, exit.data))
    chunk = input:read(chunk_size)
  end
  local rest, problem = f:finish()
  write(out, check(rest, problem, exit.data))
end

-- A line of s that begins at a place, without its end; its end (what is of
-- "\r\n" there), and the place behind it.
local function cut(s, at, newline)
  local last = newline and newline - 1 or #s
  if last >= at and s:byte(last) == 13 then last = last - 1 end
  local behind = (newline or #s) + 1
  return s:sub(at, last), s:sub(last + 1, behind - 1), behind
end

-- Gives lines and their ends, one by one; nil behind the last one. No more
-- of an endless line is held than a line may have.
local function lines_of(input)
  local held, at = "", 1
  return function()
    local newline = held:find("\n", at, true)
    while not newline do
      check(#held - at < line_most, "a line is too long", exit.data)
      local chunk = input:read(chunk_size)
      if not chunk then break end
      local seen = #held - at + 2
      held, at = held:sub(at) .. chunk, 1
      newline = held:find("\n", seen, true)
    end
    if at > #held then return nil end
    local line, ending
    line, ending, at = cut(held, at, newline)
    return line, ending
  end
end

--- Converts line by line, each with its end kept. folded: lines that begin
--- with a blank continue the one before, as in a header.
---@param convert fun(line: string): string?, any
---@param folded boolean
function M.lines(convert, folded, input, out)
  local next_of = lines_of(input)
  local line, ending = next_of()
  while line do
    local next_line, next_ending = next_of()
    while folded and next_line and next_line:find "^[ \t]" do
      line, ending = line .. next_line, next_ending
      check(#line <= line_most, "a field is too long", exit.data)
      next_line, next_ending = next_of()
    end
    local text, problem = convert(line)
    write(out, check(text, problem, exit.data) .. ending)
    line, ending = next_line, next_ending
  end
end

local function open(name)
  if not name or name == "-" then return io.stdin end
  local file, problem = io.open(name, "rb")
  return check(file, problem, exit.no_input)
end

-- As the library calls them, too.
local aliases <const> = { quoted_printable = "qp", encoded_word = "word",
  parameter = "2231", uuencode = "uu" }

-- A codec by its name; why there is none.
local function find(codecs, name)
  if not name then return nil, "the name of a codec is needed" end
  local key = ascii.lower(name):gsub("-", "_")
  local codec = codecs[aliases[key] or key]
  if codec then return codec end
  local names = {}
  for known in pairs(codecs) do names[#names + 1] = known end
  table.sort(names)
  return nil, ("unknown codec '%s' (there are %s)"):format(name,
    table.concat(names, " "))
end

--- Runs a verb: options[1] names the codec, options[2] a file.
---@param verb string
---@param codecs table<string, fun(options: table, input: any, out: any)>
---@param options table
---@return integer exit_code
function M.run(verb, codecs, options)
  local codec, missing = find(codecs, options[1])
  if #options > 2 then missing = "one file at most" end
  if missing then
    M.say(verb, missing)
    return exit.usage
  end
  io.stdout:setvbuf("full", chunk_size)
  local ok, problem = pcall(function()
    local input = open(options[2])
    codec(options, input, io.stdout)
    check(io.stdout:flush(), "cannot write", exit.io)
  end)
  if ok then return 0 end
  if type(problem) ~= "table" then error(problem, 0) end
  io.stdout:flush()
  M.say(verb, problem[2])
  return problem[1]
end

return M
