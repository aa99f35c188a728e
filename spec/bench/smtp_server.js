// usage: node smtp_server.js PORT   - takes every message and forgets it
const { SMTPServer } = require("smtp-server");
const server = new SMTPServer({
  authOptional: true,
  disabledCommands: ["STARTTLS", "AUTH"],
  disableReverseLookup: true,
  size: 64 << 20,
  onData(stream, session, done) {
    stream.on("data", () => {});
    stream.on("end", done);
  },
});
server.listen({ port: Number(process.argv[2]), host: "127.0.0.1",
  backlog: 1024 });
