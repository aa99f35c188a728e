--- The usual refusals by name, with their enhanced status codes (RFC 3463,
--- RFC 5248's registry), and what a refusal is about.

local options_of = require "lunapost.options"

local M = {}

-- name, code, enhanced code, text
local rows <const> = {
  { "bad_mailbox", 550, "5.1.1", "no such mailbox" },
  { "bad_system", 550, "5.1.2", "no such destination" },
  { "bad_address", 501, "5.1.3", "no address of a mailbox" },
  { "ambiguous", 553, "5.1.4", "more than one mailbox has that name" },
  { "moved", 551, "5.1.6", "the mailbox has moved" },
  { "bad_sender_address", 501, "5.1.7", "no address of a sender" },
  { "bad_sender", 550, "5.1.8", "the sender's system does not exist" },
  { "null_mx", 556, "5.1.10", "that domain takes no mail" },
  { "disabled", 550, "5.2.1", "the mailbox takes no mail" },
  { "mailbox_full", 452, "4.2.2", "the mailbox is full" },
  { "too_big_for_mailbox", 552, "5.2.3", "too big for the mailbox" },
  { "list_trouble", 450, "4.2.4", "the list cannot be expanded now" },
  { "system_full", 452, "4.3.1", "no room; try again later" },
  { "busy", 451, "4.3.2", "too busy; try again later" },
  { "not_accepting", 521, "5.3.2", "this host takes no mail" },
  { "too_big", 552, "5.3.4", "the message is too big" },
  { "no_answer", 451, "4.4.1", "the next host does not answer" },
  { "bad_connection", 421, "4.4.2", "the connection is bad" },
  { "unroutable", 550, "5.4.4", "no way leads there" },
  { "congestion", 451, "4.4.5", "too much mail; try again later" },
  { "loop", 554, "5.4.6", "the message goes round in circles" },
  { "wrong_command", 503, "5.5.1", "not now" },
  { "bad_syntax", 500, "5.5.2", "syntax error" },
  { "too_many_recipients", 452, "4.5.3", "too many recipients" },
  { "bad_arguments", 501, "5.5.4", "bad arguments" },
  { "bad_media", 554, "5.6.1", "such contents are not taken" },
  { "no_conversion", 554, "5.6.3", "it would have to be converted" },
  { "no_utf8_address", 553, "5.6.7", "addresses must be ASCII" },
  { "no_utf8_header", 554, "5.6.9", "the header must be ASCII" },
  { "refused", 550, "5.7.1", "refused" },
  { "greylisted", 450, "4.7.1", "not yet; try again later" },
  { "no_relaying", 550, "5.7.1", "no relaying here" },
  { "no_expansion", 550, "5.7.2", "the list is not yours to expand" },
  { "auth_required", 530, "5.7.0", "authentication required" },
  { "bad_credentials", 535, "5.7.8", "authentication failed" },
  { "too_weak", 534, "5.7.9", "the mechanism is too weak" },
  { "needs_encryption", 538, "5.7.11", "only within TLS" },
  { "account_disabled", 525, "5.7.13", "the account is disabled" },
  { "no_trust", 554, "5.7.14", "the other system is not trusted" },
  { "low_priority", 450, "4.7.15", "the priority is too low for now" },
  { "too_big_for_priority", 552, "5.7.16", "too big for its priority" },
  { "new_owner", 550, "5.7.17", "the mailbox has another owner" },
  { "new_domain_owner", 550, "5.7.18", "the domain has another owner" },
  { "dkim_missing", 550, "5.7.20", "no DKIM signature is valid" },
  { "dkim_unacceptable", 550, "5.7.21", "no DKIM signature will do" },
  { "dkim_not_author", 550, "5.7.22", "no DKIM signature of the author" },
  { "spf_failed", 550, "5.7.23", "SPF does not allow that" },
  { "spf_error", 451, "4.7.24", "SPF could not be looked up" },
  { "no_reverse_dns", 550, "5.7.25", "the DNS does not know that peer" },
  { "unauthenticated", 550, "5.7.26", "neither SPF nor DKIM pass" },
  { "null_mx_sender", 550, "5.7.27", "the sender takes no mail" },
  { "flood", 450, "4.7.28", "too much mail from there" },
  { "arc_failed", 550, "5.7.29", "ARC does not pass" },
  { "needs_requiretls", 550, "5.7.30", "REQUIRETLS cannot be kept" },
}

local meta = { __name = "lunapost.code" }

-- The same with words of the script's own.
function meta.__call(code, text)
  return setmetatable({ code = code.code, enhanced = code.enhanced,
    text = text }, meta)
end

function meta.__tostring(code)
  return ("%d %s %s"):format(code.code, code.enhanced, code.text)
end

--- Answers by name, for handlers to return or smtp.reject to raise; called
--- with a text, one that says so.
---@type table<string, lunapost.answer>
M.codes = {}

for _, row in ipairs(rows) do
  M.codes[row[1]] = setmetatable({ code = row[2], enhanced = row[3],
    text = row[4] }, meta)
end

setmetatable(M.codes, { __index = function(codes, name)
  options_of.unknown("code", name, codes, 2)
end })

-- RFC 3463 3: the second number of an enhanced status code.
local subjects <const> = { "address", "mailbox", "system", "route",
  "protocol", "content", "policy" }

-- Codes without one (RFC 5321 4.2.2, 4.2.3).
local by_code <const> = {
  [421] = "system", [450] = "mailbox", [451] = "system", [452] = "system",
  [454] = "policy", [455] = "protocol", [521] = "system", [525] = "policy",
  [530] = "policy", [534] = "policy", [535] = "policy", [538] = "policy",
  [550] = "mailbox", [551] = "address", [552] = "mailbox", [553] = "address",
  [554] = "policy", [555] = "protocol", [556] = "address",
}

-- Codes that mean something else where no mailbox is asked for.
local elsewhere <const> = { [450] = "policy", [550] = "policy",
  [552] = "content" }

local by_kind <const> = {
  dns = "route", connect = "route", timeout = "route", closed = "route",
  unconfirmed = "route", tls = "policy", auth = "policy",
  protocol = "protocol", syntax = "content", limit = "content",
}

-- A rejected recipient was one of RCPT, unless an error says its command.
local function asks_for_mailbox(problem)
  local command = problem.command
  return not command or command:find "^RCPT" or command:find "^VRFY"
end

local function of_code(problem)
  local code = problem.code
  return not asks_for_mailbox(problem) and elsewhere[code] or by_code[code]
    or code // 10 == 50 and "protocol" or "policy"
end

-- A limit that passes is not the message's, but a session's or a pool's.
local function of_kind(problem)
  if problem.kind == "limit" and problem.transient then return "system" end
  return by_kind[problem.kind] or "system"
end

--- What a refusal or failure is about: whether another recipient, another
--- host, another message or another client would fare better.
---@param problem lunapost.err|table  an error, or one of result.rejected
---@return "address"|"mailbox"|"system"|"route"|"protocol"|"content"|"policy"
---@return boolean temporary  trying later may help
function M.cause(problem)
  local code = problem.code
  if not code then
    return of_kind(problem), problem.transient or false
  end
  local class, subject = (problem.enhanced or ""):match "^(%d)%.(%d+)%."
  local fits = class == tostring(code // 100)
  return fits and subjects[tonumber(subject)] or of_code(problem),
    code // 100 == 4
end

return M
