// usage: node smtp_server.js PORT FOLDER CERTIFICATE KEY TLSPORT
// smtp-server with STARTTLS and AUTH (user, secret, token), and on TLSPORT with
// TLS at once; keeps each message's octets and envelope in FOLDER.
const fs = require("fs");
const { SMTPServer } = require("smtp-server");
const [port, folder, cert, key, tlsPort] = process.argv.slice(2);
let count = 0;

function wordIsRight(auth) {
  if (auth.method === "XOAUTH2") return auth.accessToken === "token";
  if (auth.method === "CRAM-MD5") return auth.validatePassword("secret");
  return auth.password === "secret";
}

const options = {
  authOptional: true,
  authMethods: ["PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2"],
  disableReverseLookup: true,
  cert: fs.readFileSync(cert),
  key: fs.readFileSync(key),
  onAuth(auth, session, done) {
    const good = auth.username === "user" && wordIsRight(auth);
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
};
new SMTPServer({ ...options, secure: true }).listen(Number(tlsPort), "127.0.0.1");
new SMTPServer(options).listen(Number(port), "127.0.0.1");
