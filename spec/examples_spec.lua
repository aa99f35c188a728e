-- Each file in examples/ runs, and ends well.
local peers = require "spec.support.peers"
local tree = require "spec.support.tree"

-- Servers run until they are told to stop: these are stopped.
local function is_server(path)
  return tree.read(path):find("server:run(", 1, true)
end

-- Files that other examples, or `lunapost serve`, load.
local function is_handlers(path)
  return tree.read(path):find "\nreturn "
end

-- What a file's usage asks for: a server, a file, or nothing.
local function arguments(path, server)
  local usage = tree.read(path):match("%f[%w]lua[%d.]* " .. path
    .. "([^\n]*)") or ""
  if usage:find "smtp://" then return "smtp://127.0.0.1:" .. server.port end
  return usage:find "^ FILE" and "README.md" or ""
end

-- Where servers keep their mail, so that none of it is left behind.
local kept <const> = {
  ["examples/relay.lua"] = " example.org ", ["examples/mta.lua"] = " mail=",
}

describe("the example", function()
  local folder, server

  -- What an example sends goes to a server that takes everything.
  setup(function()
    folder = peers.folder()
    server = peers.serve("", folder .. "/serve.log")
  end)

  teardown(function()
    server:stop()
    peers.remove(folder)
  end)

  local function starts_and_stops(start)
    local own = start(folder .. "/own.log")
    local clean = own:stop()
    assert(clean, own:output())
  end

  for _, path in ipairs(tree.files("examples", "lua")) do
    it(path .. (is_server(path) and " serves" or " runs"), function()
      if is_handlers(path) then
        starts_and_stops(function(log) return peers.serve(path, log) end)
      elseif is_server(path) then
        starts_and_stops(function(log)
          local there = kept[path] and kept[path] .. folder .. "/mail" or ""
          return peers.listening(tree.lua(path) .. there, log)
        end)
      else
        local output, code = peers.run(tree.lua(path) .. " "
          .. arguments(path, server), 60)
        assert(code == 0, output)
        assert(#output > 0, "says nothing")
      end
    end)
  end
end)

-- What MIME began with: each is read by one example, and built by another.
local types <const> = [[text/plain text/richtext text/enriched text/html
  multipart/mixed multipart/parallel multipart/digest multipart/alternative
  multipart/related multipart/report multipart/signed multipart/encrypted
  message/rfc822 message/partial message/external-body
  message/delivery-status application/octet-stream application/postscript
  image/jpeg image/gif audio/basic video/mpeg]]
local encodings <const> = "7bit quoted-printable base64 8bit binary"

describe("the examples", function()
  local function says(path, words)
    local output, code = peers.run(tree.lua(path), 60)
    assert(code == 0, output)
    for word in words:gmatch "%S+" do
      assert(output:find(word, 1, true), path .. " says nothing of " .. word)
    end
  end

  it("read every content type and encoding that MIME began with", function()
    says("examples/anatomy.lua", types .. " " .. encodings)
  end)

  it("build every one of them", function()
    says("examples/types.lua", types .. " " .. encodings)
  end)
end)
