-- What a machine can check of the project's style: layers, sizes, comments,
-- banned calls, file heads, state, and what leaves the shared object.
local tree = require "spec.support.tree"

local c_files = tree.files("csrc", "c h")
local lua_files = tree.files("lua", "lua")

-- Gathers "path:line: what" and fails with all of them at once.
local function faults()
  local list = {}
  return function(path, line, what)
    list[#list + 1] = ("%s:%d: %s"):format(path, line, what)
  end, function()
    assert(#list == 0, "\n" .. table.concat(list, "\n"))
  end
end

local function set(words)
  local s = {}
  for word in words:gmatch "%S+" do s[word] = true end
  return s
end

-- C with comments and the insides of strings replaced by blanks, line ends
-- kept, so that words can be looked for in code alone.
local function code_of(text)
  local out, i = {}, 1
  local function blank(upto)
    out[#out + 1] = text:sub(i, upto):gsub("[^\n]", " ")
    i = upto + 1
  end
  while i <= #text do
    local at = text:find("[\"'/]", i)
    if not at then break end
    out[#out + 1] = text:sub(i, at - 1)
    i = at
    local c = text:sub(at, at)
    if text:sub(at, at + 1) == "/*" then
      blank(select(2, text:find("*/", at + 2, true)) or #text)
    elseif c == "/" then
      out[#out + 1], i = c, at + 1
    else
      local close = at + 1
      while close < #text and text:sub(close, close) ~= c do
        close = close + (text:sub(close, close) == "\\" and 2 or 1)
      end
      blank(close)
    end
  end
  out[#out + 1] = text:sub(i)
  return table.concat(out)
end

local function lines_of(text)
  local n, next_line = 0, text:gmatch "([^\n]*)\n?"
  return function()
    n = n + 1
    local line = next_line()
    if line then return n, line end
  end
end

describe("the layers", function()
  local standard <const> = set "stdbool.h stddef.h stdint.h string.h limits.h"
  local core_more <const> = {
    ["csrc/core/buf.c"] = set "stdlib.h",
    ["csrc/core/charset.c"] = set "iconv.h errno.h",
    ["csrc/core/charset_store.c"] = set "iconv.h",
    ["csrc/core/isa.h"] = set "immintrin.h arm_neon.h",
  }
  local bind_more <const> = set "lua.h lauxlib.h stdlib.h math.h time.h"

  local function layer(path)
    return path:match "^csrc/(%a+)/"
  end

  local function allowed_system(path, header)
    if layer(path) == "core" then
      return standard[header] or (core_more[path] or {})[header]
    elseif layer(path) == "bind" then
      return standard[header] or bind_more[header]
        or path == "csrc/bind/lmain.c" and header == "dlfcn.h"
    end
    return not header:find "^l?ua" and not header:find "^lauxlib"
  end

  local below <const> = {
    core = set "core", net = set "net core", bind = set "bind net core",
  }

  local function allowed_own(path, header)
    local own = layer(path)
    local target = header:match "^%.%./(%a+)/" or own
    if not below[own][target] then return false end
    return own ~= "bind" or target ~= "bind" or header == "lbind.h"
  end

  it("include only what lies below them", function()
    local fault, done = faults()
    for _, path in ipairs(c_files) do
      for n, line in tree.each_line(path) do
        local system = line:match "^%s*#%s*include%s*<(.-)>"
        local own = line:match '^%s*#%s*include%s*"(.-)"'
        if system and not allowed_system(path, system) then
          fault(path, n, "<" .. system .. ">")
        elseif own and not allowed_own(path, own) then
          fault(path, n, '"' .. own .. '"')
        end
      end
    end
    done()
  end)

  -- What a Lua module may require beside its own kind and the ground that
  -- all stand on; the first prefix that fits counts.
  local ground <const> = "lunapost.core lunapost.err lunapost.options "
    .. "lunapost.json lunapost.deadline lunapost.svg lunapost.outlet "
    .. "lunapost.lazy lunapost.raised lunapost.ascii"
  local lua_below <const> = {
    { "lunapost.cli", "lunapost" },
    { "lunapost.core", "" },
    { "lunapost.err", "" },
    { "lunapost.options", "" },
    { "lunapost.json", "" },
    { "lunapost.lazy", "" },
    { "lunapost.svg", "" },
    { "lunapost.outlet", "" },
    { "lunapost.raised", "" },
    { "lunapost.ascii", "" },
    { "lunapost.deadline", "lunapost.loop" },
    { "lunapost.loops", "lunapost.loop cqueues luv copas socket" },
    { "lunapost.loop", "" },
    { "lunapost.net", "lunapost.loop" },
    { "lunapost.dns", "lunapost.net" },
    { "lunapost.codec", "" },
    { "lunapost.mime", "lunapost.codec" },
    { "lunapost.smtp", "lunapost.mime lunapost.codec lunapost.loop "
      .. "lunapost.loops lunapost.net lunapost.dns lunapost.maildir" },
    { "lunapost", "lunapost" },
  }

  local function within(name, prefix)
    return name == prefix or name:sub(1, #prefix + 1) == prefix .. "."
  end

  local function may_require(module, wanted)
    for _, rule in ipairs(lua_below) do
      if within(module, rule[1]) then
        local allowed = table.concat({ rule[1], rule[2], ground }, " ")
        for prefix in allowed:gmatch "%S+" do
          if within(wanted, prefix) then return true end
        end
        return false
      end
    end
  end

  it("require only what lies below them", function()
    local fault, done = faults()
    for _, path in ipairs(lua_files) do
      for n, line in tree.each_line(path) do
        local wanted = not line:find "^%s*%-%-"
          and line:match "require%s*%(?%s*[\"']([%w_%.]+)[\"']"
        if wanted and not may_require(tree.module(path), wanted) then
          fault(path, n, wanted)
        end
      end
    end
    done()
  end)
end)

describe("sizes", function()
  it("of files stay below 600 lines", function()
    local fault, done = faults()
    for _, path in ipairs(tree.files("csrc lua spec examples", "c h lua")) do
      local _, n = tree.read(path):gsub("\n", "")
      if n >= 600 then fault(path, n, "too long") end
    end
    done()
  end)

  it("of C functions stay at 60 lines or below", function()
    local fault, done = faults()
    for _, path in ipairs(c_files) do
      local start
      for n, line in tree.each_line(path) do
        if line == "{" then
          start = n
        elseif line == "}" and start then
          if n - start - 1 > 60 then
            fault(path, start, n - start - 1 .. " lines")
          end
          start = nil
        end
      end
    end
    done()
  end)

  it("of Lua functions stay at 60 lines or below", function()
    local fault, done = faults()
    for _, path in ipairs(lua_files) do
      local open = {} -- indentation -> line where a function begins
      for n, line in tree.each_line(path) do
        local indent = #line:match "^ *"
        if line:find "^%s*local function%f[%W]"
          or line:find "^%s*function%f[%W]"
          or line:find "=%s*function%s*%b()$" then
          open[indent] = n
        elseif line:find "^%s*end%f[%W]" and open[indent] then
          if n - open[indent] - 1 > 60 then
            fault(path, open[indent], n - open[indent] - 1 .. " lines")
          end
          open[indent] = nil
        end
      end
    end
    done()
  end)

  it("of lines stay at 80 columns or below", function()
    local fault, done = faults()
    for _, path in ipairs(tree.files("csrc lua spec examples", "c h lua sh")) do
      for n, line in tree.each_line(path) do
        if (utf8.len(line) or #line) > 80 then fault(path, n, "too wide") end
      end
    end
    done()
  end)
end)

describe("comments", function()
  it("are /* */ in C", function()
    local fault, done = faults()
    for _, path in ipairs(tree.files("csrc spec", "c h")) do
      for n, line in lines_of(code_of(tree.read(path))) do
        if line:find("//", 1, true) then fault(path, n, "// comment") end
      end
    end
    done()
  end)

  it("are ASCII", function()
    local fault, done = faults()
    for _, path in ipairs(c_files) do
      for n, line in tree.each_line(path) do
        if line:find "[\128-\255]" then fault(path, n, "not ASCII") end
      end
    end
    for _, path in ipairs(tree.files("lua examples", "lua")) do
      for n, line in tree.each_line(path) do
        local comment = line:match "^%s*%-%-(.*)"
        if comment and comment:find "[\128-\255]" then
          fault(path, n, "not ASCII")
        end
      end
    end
    done()
  end)

  local function is_banner(line)
    return line:find "^%s*/?%*.*[%-=#*][%-=#*][%-=#*]" and line:find "%*/$"
      or line:find "^%s*/%*%*%*" or line:find "^%s*%-%-.*[%-=#][%-=#][%-=#]$"
  end

  local function is_left_undone(line)
    for word in line:gmatch "%f[%w]%u+%f[%W]" do
      if word == "TODO" or word == "FIXME" or word == "XXX" then
        return not line:find "#%d"
      end
    end
  end

  it("are no banners, and leave nothing to be done", function()
    local fault, done = faults()
    for _, path in ipairs(tree.files("csrc lua examples", "c h lua")) do
      for n, line in tree.each_line(path) do
        if is_banner(line) then fault(path, n, "banner") end
        if is_left_undone(line) then fault(path, n, "to do") end
      end
    end
    done()
  end)

  it("hold no code", function()
    local fault, done = faults()
    for _, path in ipairs(c_files) do
      for n, line in tree.each_line(path) do
        local comment = line:match "^%s*/%*%s*(.-)%s*%*/$"
        if comment and (comment:find "%)%s*;$"
          or comment:find "^[%w_%->%.%[%]]+ [%+%-|&]?= .*;$") then
          fault(path, n, "code in a comment")
        end
      end
    end
    for _, path in ipairs(lua_files) do
      for n, line in tree.each_line(path) do
        if line:find "^%s*%-%- ?local [%w_, ]+ = "
          or line:find "^%s*%-%- ?[%w_%.:]+%(.*%)$" then
          fault(path, n, "code in a comment")
        end
      end
    end
    done()
  end)
end)

describe("C", function()
  local banned <const> = set [[strcpy strcat sprintf vsprintf strtok atoi atol
    atof gets alloca exit _exit abort setjmp longjmp printf fprintf puts
    strncpy strncat]]

  it("calls no banned function", function()
    local fault, done = faults()
    for _, path in ipairs(c_files) do
      for n, line in lines_of(code_of(tree.read(path))) do
        for name in line:gmatch "%f[%w_]([%w_]+)%s*%(" do
          if banned[name] then fault(path, n, name) end
        end
      end
    end
    done()
  end)

  it("allocates only in core/buf.c and through Lua", function()
    local fault, done = faults()
    for _, path in ipairs(tree.files("csrc/core csrc/bind", "c h")) do
      for n, line in lines_of(code_of(tree.read(path))) do
        local name = line:match "%f[%w_]([mcre]+alloc)%s*%("
        if name and path ~= "csrc/core/buf.c" then fault(path, n, name) end
      end
    end
    done()
  end)

  it("opens each file with its noun, what it owns and how it fails",
    function()
    local fault, done = faults()
    for _, path in ipairs(c_files) do
      local head = tree.read(path):match "^/%*.-%*/" or ""
      local noun = path:match "([%w_]+)%.[ch]$"
      if not head:find("^/%*%s*%*? ?" .. noun .. " %- %S") then
        fault(path, 1, "no '" .. noun .. " - one line'")
      end
      local told = head:find "Owns:" and head:find "Fails with:"
        and head:find "I/O:"
      if not told and not head:lower():find "see [%w_/%.]+%.h" then
        fault(path, 1, "no 'Owns:', 'Fails with:', 'I/O:'")
      end
    end
    done()
  end)

  -- The object files know: what is in .data or .bss can change.
  it("keeps no mutable data outside of functions' calls", function()
    local objects = tree.files(tree.build .. "/obj/core " .. tree.build
      .. "/obj/net " .. tree.build .. "/obj/bind", "o")
    assert(#objects > 10, "no object files in " .. tree.build)
    local fault, done = faults()
    for _, path in ipairs(objects) do
      for _, line in ipairs(tree.lines("objdump -t " .. path)) do
        local section, name =
          line:match " O (%.t?[db][as][ts][as]?[%w_%.]*)%s+%x+ ([%w_%.]+)$"
        if section and not section:find "rel%.ro" and not name:find "^_" then
          fault(path, 0, name .. " is in " .. section)
        end
      end
    end
    done()
  end)
end)

describe("the shared object", function()
  it("exports luaopen_lunapost_core alone", function()
    local names = {}
    for _, line in ipairs(tree.lines("nm -D --defined-only "
      .. tree.build .. "/lunapost/core.so")) do
      local name = line:match "%s(%S+)$"
      if not name:find "^_" then names[#names + 1] = name end
    end
    assert.same({ "luaopen_lunapost_core" }, names)
  end)
end)

describe("the tree", function()
  it("has only the agreed names at its top", function()
    local agreed <const> = set [[csrc lua rockspec spec examples Makefile
      README.md LICENSE build]]
    local fault, done = faults()
    for _, name in ipairs(tree.lines "ls") do
      if not agreed[name] then fault(name, 0, "not agreed") end
    end
    done()
  end)

  it("has its sources in the rockspec", function()
    local fault, done = faults()
    local listed = tree.read "rockspec/lunapost-scm-1.rockspec"
    for _, kind in ipairs { { "lua", "lua" }, { "csrc", "c" } } do
      for _, path in ipairs(tree.files(kind[1], kind[2])) do
        if not listed:find('"' .. path .. '"', 1, true) then
          fault(path, 0, "not listed")
        end
      end
    end
    done()
  end)

  it("has LF line ends", function()
    local fault, done = faults()
    local found = tree.lines "grep -rlI \"$(printf '\\r')\" csrc lua spec \
      examples rockspec .ci Makefile README.md 2>/dev/null"
    for _, path in ipairs(found) do
      if not path:find "/fixtures/" and not path:find "/transcripts/" then
        fault(path, 0, "CR")
      end
    end
    done()
  end)
end)

describe("public functions", function()
  -- `function M.name(a, b)` or `function Class:name(a)` at the left margin.
  -- A table whose name begins in lower case is private to its file.
  local function annotated(lines, n, parameters)
    local told = {}
    local i = n - 1
    while lines[i] and lines[i]:find "^%-%-%-" do
      local name = lines[i]:match "^%-%-%-@param ([%w_]+)"
        or lines[i]:match "^%-%-%-@param (%.%.%.)"
      if name then told[name] = true end
      i = i - 1
    end
    if i == n - 1 then return false, "no annotation" end
    for name in parameters:gmatch "[%w_%.]+" do
      if name ~= "_" and name ~= "self" and not told[name] then
        return false, "no ---@param " .. name
      end
    end
    return true
  end

  -- The name and the parameters of the public function that a line defines.
  local function defined(line)
    local name, parameters =
      line:match "^function (%u[%w_]*[%.:][%w_%.:]+)%((.-)%)"
    if not name then
      name, parameters = line:match "^(M%.[%w_]+) = .*%f[%w]function%((.-)%)"
    end
    if name then return name, parameters end
    return line:match "^(M%.[%w_]+) = [%w_%.]*placed%(", ""
  end

  it("carry annotations", function()
    local fault, done = faults()
    for _, path in ipairs(lua_files) do
      local lines = tree.lines("cat " .. path)
      for n, line in ipairs(lines) do
        local name, parameters = defined(line)
        if name and not name:find "[%.:]_" and not path:find "/cli/" then
          local ok, what = annotated(lines, n, parameters)
          if not ok then fault(path, n, name .. ": " .. what) end
        end
      end
    end
    done()
  end)
end)
