-- A server with a handler for each command of SMTP, and one of its own.
--
--   lunapost serve examples/server.lua --listen 127.0.0.1:2525 --tls test
--
-- A handler answers by returning code, enhanced status code and text;
-- returning nothing means the default.

local smtp = require "lunapost.smtp"

local people = {
  ana = "Ana Müller <ana@example.org>",
  bob = "Bob Okafor <bob@example.org>",
}

local lists = { everyone = { "ana", "bob" } }

return function(server)
  local on = server.on

  function on.connect(session)
    if session.peer.address == "192.0.2.1" then
      return 554, "5.7.1", "not you"
    end
  end

  function on.helo(_, domain)
    if domain == "localhost" then
      return 550, "5.7.1", "that is my own name"
    end
  end

  function on.ehlo(_, _, keywords)
    table.insert(keywords, "XADR")
  end

  function on.secured(session)
    session.secured_at = os.time()
  end

  function on.mail(_, path)
    if path.domain == "spam.example" then
      return 550, "5.7.1", "no, thank you"
    end
  end

  function on.rcpt(_, path)
    if path.domain ~= "example.org" then
      return smtp.codes.no_relaying -- 550 5.7.1
    end
    return 250, "2.1.5", path.localpart .. " is welcome"
  end

  function on.message(session, message)
    server.inbox = server.inbox or {}
    table.insert(server.inbox, message)
    return 250, "2.0.0", "kept as " .. session.id
  end

  function on.vrfy(_, text)
    local person = people[text:lower()]
    if person then return 250, "2.1.5", person end
    smtp.reject(550, "5.1.1", "no such person")
  end

  function on.expn(_, text)
    local list = lists[text:lower()]
    if not list then return smtp.codes.bad_mailbox "no such list" end
    local lines = {}
    for i, name in ipairs(list) do lines[i] = people[name] end
    return 250, "2.1.5", table.concat(lines, "\n")
  end

  function on.help(_, topic)
    if topic:lower() == "moon" then
      return 214, "2.0.0", "the moon is far; the post takes a while"
    end
  end

  function on.noop(session)
    session.noops = (session.noops or 0) + 1
  end

  function on.rset(_, reason)
    server.resets = server.resets or {}
    table.insert(server.resets, reason)
  end

  function on.quit()
    return 221, "2.0.0", "good night"
  end

  function on.unknown(_, verb)
    return 500, "5.5.1", "I do not know how to " .. verb
  end

  function on.disconnect(session, why)
    server.goodbyes = server.goodbyes or {}
    table.insert(server.goodbyes, session.id .. " " .. why)
  end

  function on.error(_, problem)
    io.stderr:write(tostring(problem), "\n")
  end

  -- An extension of our own: the address of a person, after a question.
  server.commands.XADR = {
    syntax = "XADR person",
    run = function(session, argument)
      local person = people[argument:lower()]
      if not person then return 550, "5.1.1", "no such person" end
      local answer = session:ask(334, "what is the magic word?")
      if answer ~= "please" then return 550, "5.7.1", "not like that" end
      return 250, "2.1.5", person
    end,
  }
end
