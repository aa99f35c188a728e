-- README.md keeps its word: its Lua runs, against a real server, and prints
-- what it says it prints; its commands are those of the Makefile.
local peers = require "spec.support.peers"
local system = require("lunapost.core").system
local tree = require "spec.support.tree"

local readme = tree.read "README.md"

-- The Lua blocks, each with the heading that it stands under.
local function blocks()
  local list, heading, block = {}, nil, nil
  for _, line in tree.each_line "README.md" do
    if block and line == "```" then
      block.text = table.concat(block, "\n") .. "\n"
      list[#list + 1], block = block, nil
    elseif block then
      block[#block + 1] = line
    elseif line == "```lua" then
      block = { heading = heading }
    else
      heading = line:match "^## (.*)" or heading
    end
  end
  return list
end

-- What a block says that it prints: behind "-->" up to the line's end.
local function promised(text)
  local lines = {}
  for line in text:gmatch "%-%->%s*([^\n]*)" do lines[#lines + 1] = line end
  return lines
end

local function replace(text, from, to)
  local at, upto = text:find(from, 1, true)
  return at and text:sub(1, at - 1) .. to .. text:sub(upto + 1) or text
end

-- What lies in the Maildir that an example reads.
local letter <const> = "From: a@example.org\r\n"
  .. "Date: Thu, 26 Nov 2026 21:18:59 +0000\r\nSubject: s\r\n"
  .. "MIME-Version: 1.0\r\n"
  .. "Content-Type: application/pdf; name=report.pdf\r\n"
  .. "Content-Disposition: attachment\r\n\r\n%PDF-1.4\r\n"

describe("README's Lua", function()
  local folder, server, certificate

  setup(function()
    folder = peers.folder()
    local key
    certificate, key = peers.certificate(folder)
    server = peers.serve(("--tls %s:%s --auth ana:secret"):format(certificate,
      key), folder .. "/serve.log")
    peers.write(folder .. "/logo.png", "\137PNG\r\n\26\n")
    peers.write(folder .. "/report.pdf", "%PDF-1.4\n")
    for _, sub in ipairs { "", "/new", "/cur", "/tmp" } do
      assert(system.make_folder(folder .. "/Maildir" .. sub, 448))
    end
    peers.write(folder .. "/Maildir/cur/1.a:2,S", letter)
  end)

  teardown(function()
    server:stop()
    peers.remove(folder)
  end)

  -- The server that the examples speak of is the one that runs here; a
  -- server that they start takes a free port, gets one message, and stops.
  local function adapted(text)
    text = replace(text, '"smtp://ana@smtp.example.org:587"',
      ('"smtp://ana@localhost:%d", ca = %q'):format(server.port, certificate))
    text = replace(text, "127.0.0.1:2525", "127.0.0.1:0")
    text = replace(text, '"curl", "-sSf", "--data-binary", "@-",', '"tee",')
    text = replace(text, '"https://example.org/in"', ("%q"):format(folder
      .. "/hooked"))
    for _, name in ipairs { "logo.png", "report.pdf", "Maildir" } do
      text = replace(text, '"' .. name .. '"', ("%q"):format(folder .. "/"
        .. name))
    end
    return replace(text, "server:run()", [[
server:run(function()
  require("lunapost.loop").spawn(function()
    assert(require("lunapost").send {
      server = "smtp://127.0.0.1:" .. server.port, insecure = true,
      from = "a@example.org", to = { "b@example.org" }, subject = "Served",
      text = "x", attach = { { data = "12345", name = "five.txt" } } })
    os.execute("kill " .. require("lunapost.core").system.pid())
  end)
end)]])
  end

  local expected <const> = {
    Serve = { "a@example.org\tServed", "five.txt\t5" },
  }

  local function run(block)
    local path = folder .. "/block.lua"
    peers.write(path, adapted(block.text))
    local output, code = peers.run("env MAIL_PASSWORD=secret "
      .. tree.lua(path), 30)
    assert(code == 0, output)
    local from = 1
    local lines = block.text:find("server:run()", 1, true)
      and expected[block.heading] or promised(block.text)
    for _, line in ipairs(lines) do
      local at, upto = output:find(line, from, true)
      assert(at, ("does not print %q, but\n%s"):format(line, output))
      from = upto + 1
    end
    return output
  end

  for i, block in ipairs(blocks()) do
    it(("under %q runs (%d)"):format(block.heading, i), function()
      run(block)
    end)
  end

  it("changed one field in the Maildir, and nothing else", function()
    assert.equal((letter:gsub("\r\n\r\n", "\r\nX-Reviewed: yes%0", 1)),
      tree.read(folder .. "/Maildir/cur/1.a:2,S"))
  end)

  it("handed a message to a program", function()
    assert.matches("Subject: Served", tree.read(folder .. "/hooked"), 1,
      true)
  end)

  it("sent what it says", function()
    local output = server:output()
    assert.matches("Grüße aus Köln", output, 1, true)
    assert.matches("report.pdf", output, 1, true)
  end)
end)

describe("README's commands", function()
  it("are targets of the Makefile", function()
    local makefile = tree.read "Makefile"
    for words in readme:gmatch "\nmake ([%l ]+)" do
      for target in words:gmatch "%l+" do
        assert(makefile:find("\n" .. target .. ":"), target)
      end
    end
  end)

  it("show the demonstration and the specs first", function()
    assert.matches("make deps demo[^\n]*\nmake deps test", readme)
  end)

  it("name every verb", function()
    local help = tree.lines(tree.command .. " --help")
    local verbs = 0
    for _, line in ipairs(help) do
      local verb = line:match "^  (%l+) "
      if verb then
        verbs = verbs + 1
        assert(readme:find("`" .. verb .. "[ `]"), verb)
      end
    end
    assert(verbs >= 6, "only " .. verbs .. " verbs")
  end)
end)

describe("README's links", function()
  it("lead to headings and files", function()
    local headings = {}
    for heading in readme:gmatch "\n#+ ([^\n]+)" do
      local anchor = heading:lower():gsub("[^%w_ -]", ""):gsub(" ", "-")
      headings["#" .. anchor] = true
    end
    local links = 0
    for target in readme:gmatch "%]%(([^)]+)%)" do
      links = links + 1
      assert(headings[target] or system.stat(target), target)
    end
    assert(links > 20, links)
  end)

  it("leave no heading of the first two levels out", function()
    for heading in readme:gmatch "\n## ([^\n]+)" do
      local anchor = "(#" .. heading:lower():gsub(" ", "-"):gsub(",", "") .. ")"
      local apart = ("Reference Work_on_it Changes Licence"):find(
        heading:gsub(" ", "_"), 1, true)
      assert(apart or readme:find(anchor, 1, true), heading)
    end
  end)

  it("name each example", function()
    for _, path in ipairs(tree.files("examples", "lua")) do
      local name = path:match "[^/]+$"
      assert(readme:find("| `[^|]*%f[%w_]" .. name:gsub("%p", "%%%0") .. "`"),
        name)
    end
  end)
end)

describe("README's reference", function()
  local modules <const> = {
    maildir = "lunapost.maildir",
    post = "lunapost", smtp = "lunapost.smtp", mime = "lunapost.mime",
    codec = "lunapost.codec", loop = "lunapost.loop", dns = "lunapost.dns",
    testing = "lunapost.testing",
  }

  -- Classes by the file that defines their methods.
  local classes <const> = {
    Maildir = "box", Delivery = "delivery",
    Client = "client", Raw = "client", Body = "body", Part = "part",
    Transcript = "transcript",
  }

  -- Methods that the modules of lunapost.smtp share among themselves. A
  -- server and a session are mostly made of such: theirs are told below.
  local internal = {}
  for name in ([[
    client:ask client:exchange client:failed client:flush client:leave
    client:pump client:receive client:refused client:say client:secure
    ]]):gmatch "%S+" do
    internal[name] = true
  end

  local function entry(name)
    return readme:find("`" .. name .. "[`( %[{]")
      or readme:find("`[^`\n]*%f[%w_]" .. name .. "%f[^%w_][^`\n]*`")
  end

  local function none(absent)
    table.sort(absent)
    assert.same({}, absent)
  end

  it("has an entry for each public name", function()
    local absent = {}
    for short, name in pairs(modules) do
      local module, names = require(name), {}
      local meta = getmetatable(module)
      for key in pairs(module) do names[key] = true end
      for key in pairs(meta and meta.parts or {}) do names[key] = true end
      for key in pairs(names) do
        local full = short .. "%." .. key
        if type(key) == "string" and not key:find "^_" and not entry(full) then
          absent[#absent + 1] = short .. "." .. key
        end
      end
    end
    none(absent)
  end)

  it("has an entry for each public method", function()
    local absent = {}
    for _, path in ipairs(tree.files("lua", "lua")) do
      for _, line in tree.each_line(path) do
        local class, method = line:match "^function ([%w_]+):([%a][%w_]*)%("
        local name = (classes[class] or "") .. ":" .. tostring(method)
        if classes[class] and not internal[name] and not entry(name) then
          absent[#absent + 1] = name
        end
      end
    end
    none(absent)
  end)

  -- The names of a table of options: { name = "type", ... }.
  local function options_in(path, table_name)
    local text = tree.read("lua/lunapost/" .. path):gsub("%-%-[^\n]*", "")
    local list = text:match("\n[local ]*" .. table_name .. " [^{\n]*{(.-)}")
    local names = {}
    for name in assert(list, path):gmatch "([%a_]+) = [^,{]" do
      names[#names + 1] = name
    end
    assert(#names > 1, path)
    return names
  end

  it("names each option", function()
    local words = {}
    local reference = readme:match("\n## Reference.*"):gsub("```.-```", "")
    for span in reference:gmatch "`([^`]+)`" do
      for word in span:gmatch "[%a_]+" do words[word] = true end
    end
    local absent = {}
    for path, tables in pairs {
      ["mime/build/init.lua"] = { "M.options" },
      ["mime/build/part.lua"] = { "part_options" },
      ["smtp/settings.lua"] = { "M.known" },
      ["smtp/server_options.lua"] = { "known", "known_tls", "known_auth",
        "known_command", "known_needs", "M.limits" },
      ["smtp/deliver.lua"] = { "known" }, ["smtp/replay.lua"] = { "known" },
      ["smtp/sendmail.lua"] = { "known" }, ["smtp/dry.lua"] = { "known" },
      ["dns.lua"] = { "known" }, ["smtp/extensions.lua"] = { "known" },
      ["smtp/doors.lua"] = { "known" }, ["smtp/pool.lua"] = { "own" },
    } do
      for _, table_name in ipairs(tables) do
        for _, name in ipairs(options_in(path, table_name)) do
          if not words[name] then absent[#absent + 1] = path .. " " .. name end
        end
      end
    end
    none(absent)
  end)

  it("names each handler", function()
    for _, name in ipairs(options_in("smtp/server_options.lua",
      "handler_names")) do
      assert(readme:find("[`{ ]" .. name .. "[(` ]"), name)
    end
  end)

  it("has entries for what handlers and scripts use", function()
    for name in ([[server:run server:start server:stop server:script
      server:stats server:metrics server:reload server:listen
      session:received session:ask]]):gmatch "%S+" do
      local method = name:match ":(.*)"
      local file = "lua/lunapost/smtp/" .. name:match "^%a+" .. ".lua"
      assert(entry(name), name)
      assert(tree.read(file):find(":" .. method .. "(", 1, true), name)
    end
  end)
end)
