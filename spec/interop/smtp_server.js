// usage: node smtp_server.js PORT FOLDER CERTIFICATE KEY
// smtp-server with STARTTLS and AUTH (user, secret); keeps each message's
// octets and envelope in FOLDER.
const fs = require("fs");
const { SMTPServer } = require("smtp-server");
const [port, folder, cert, key] = process.argv.slice(2);
let count = 0;

const server = new SMTPServer({
  authOptional: true,
  disableReverseLookup: true,
  cert: fs.readFileSync(cert),
  key: fs.readFileSync(key),
  onAuth(auth, session, done) {
    const good = auth.username === "user" && auth.password === "secret";
    done(good ? null : new Error("wrong"), good ? { user: "user" } : null);
  },
  onData(stream, session, done) {
    const chunks = [];
    stream.on("data", (chunk) => chunks.push(chunk));
    stream.on("end", () => {
      count += 1;
      const { mailFrom, rcptTo } = session.envelope;
      const line = [
        session.hostNameAppearsAs,
        session.secure ? "TLS" : "plain",
        session.user || "nobody",
        mailFrom.address,
        rcptTo.map((to) => to.address).join(" "),
      ].join("|");
      fs.writeFileSync(`${folder}/${count}.session`, line);
      fs.writeFileSync(`${folder}/${count}.eml`, Buffer.concat(chunks));
      done();
    });
  },
});
server.listen(Number(port), "127.0.0.1");
