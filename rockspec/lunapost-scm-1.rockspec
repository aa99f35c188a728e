rockspec_format = "3.0"
package = "lunapost"
version = "scm-1"
source = { url = "git+https://localhost/lunapost.git", branch = "main" }
description = {
  summary = "SMTP client and server, MIME reader and builder, in C",
  detailed = [[
    A client session command by command or in one call, a server with a Lua
    handler for every command, and messages built, read, encoded and decoded
    at C speed.
  ]],
  license = "MIT",
  labels = { "smtp", "mime", "email" },
}
dependencies = { "lua >= 5.4, < 5.6" }
test_dependencies = { "busted >= 2.0" }
external_dependencies = {
  OPENSSL = { header = "openssl/ssl.h", library = "ssl" },
}
build = {
  type = "builtin",
  modules = {
    ["lunapost.cli.arguments"] = "lua/lunapost/cli/arguments.lua",
    ["lunapost.deadline"] = "lua/lunapost/deadline.lua",
    ["lunapost.err"] = "lua/lunapost/err.lua",
    ["lunapost.json"] = "lua/lunapost/json.lua",
    ["lunapost.loop"] = "lua/lunapost/loop.lua",
    ["lunapost.mime.address"] = "lua/lunapost/mime/address.lua",
    ["lunapost.mime.build"] = "lua/lunapost/mime/build.lua",
    ["lunapost.mime.content"] = "lua/lunapost/mime/content.lua",
    ["lunapost.mime.entity"] = "lua/lunapost/mime/entity.lua",
    ["lunapost.mime.fields"] = "lua/lunapost/mime/fields.lua",
    ["lunapost.mime.part"] = "lua/lunapost/mime/part.lua",
    ["lunapost.mime.types"] = "lua/lunapost/mime/types.lua",
    ["lunapost.net"] = "lua/lunapost/net.lua",
    ["lunapost.net.names"] = "lua/lunapost/net/names.lua",
    ["lunapost.options"] = "lua/lunapost/options.lua",
    ["lunapost.smtp.auth"] = "lua/lunapost/smtp/auth.lua",
    ["lunapost.smtp.client"] = "lua/lunapost/smtp/client.lua",
    ["lunapost.smtp.dial"] = "lua/lunapost/smtp/dial.lua",
    ["lunapost.smtp"] = "lua/lunapost/smtp/init.lua",
    ["lunapost.smtp.names"] = "lua/lunapost/smtp/names.lua",
    ["lunapost.smtp.outgoing"] = "lua/lunapost/smtp/outgoing.lua",
    ["lunapost.smtp.reply"] = "lua/lunapost/smtp/reply.lua",
    ["lunapost.smtp.sasl"] = "lua/lunapost/smtp/sasl.lua",
    ["lunapost.smtp.settings"] = "lua/lunapost/smtp/settings.lua",
    ["lunapost.smtp.transaction"] = "lua/lunapost/smtp/transaction.lua",
    ["lunapost.smtp.transcript"] = "lua/lunapost/smtp/transcript.lua",
    ["lunapost.core"] = {
      sources = {
        "csrc/bind/lbind.c",
        "csrc/bind/lclient.c",
        "csrc/bind/lcodec.c",
        "csrc/bind/lcompose.c",
        "csrc/bind/lcrypto.c",
        "csrc/bind/lloop.c",
        "csrc/bind/lmain.c",
        "csrc/bind/lmime.c",
        "csrc/bind/lnet.c",
        "csrc/bind/lresolver.c",
        "csrc/bind/lserver.c",
        "csrc/bind/lstream.c",
        "csrc/bind/lsystem.c",
        "csrc/core/ascii.c",
        "csrc/core/base64.c",
        "csrc/core/buf.c",
        "csrc/core/charset.c",
        "csrc/core/client.c",
        "csrc/core/compose.c",
        "csrc/core/date.c",
        "csrc/core/dot.c",
        "csrc/core/err.c",
        "csrc/core/header.c",
        "csrc/core/param.c",
        "csrc/core/qp.c",
        "csrc/core/reply.c",
        "csrc/core/scan.c",
        "csrc/core/uu.c",
        "csrc/core/word.c",
        "csrc/net/conn.c",
        "csrc/net/digest.c",
        "csrc/net/listener.c",
        "csrc/net/poller.c",
        "csrc/net/poller_epoll.c",
        "csrc/net/poller_kqueue.c",
        "csrc/net/poller_poll.c",
        "csrc/net/resolve.c",
        "csrc/net/signals.c",
        "csrc/net/sock.c",
        "csrc/net/system.c",
        "csrc/net/tls.c",
        "csrc/net/tls_context.c",
        "csrc/net/tls_test.c",
      },
      incdirs = { "$(OPENSSL_INCDIR)" },
      libdirs = { "$(OPENSSL_LIBDIR)" },
      libraries = { "ssl", "crypto", "pthread" },
    },
  },
  install = { bin = { lunapost = "lua/lunapost/cli/lunapost.lua" } },
  copy_directories = { "examples" },
}
test = { type = "busted" }
