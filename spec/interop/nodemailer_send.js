// usage: node nodemailer_send.js PORT FILE FROM TO [USER PASSWORD]
// With a user: STARTTLS first, and AUTH.
const fs = require("fs");
const nodemailer = require("nodemailer");
const [port, file, from, to, user, pass] = process.argv.slice(2);
const transport = nodemailer.createTransport({
  host: "127.0.0.1",
  port: Number(port),
  secure: false,
  requireTLS: Boolean(user),
  ignoreTLS: !user,
  tls: { rejectUnauthorized: false },
  auth: user ? { user, pass } : undefined,
});
transport
  .sendMail({ envelope: { from, to: [to] }, raw: fs.readFileSync(file) })
  .then(
    () => transport.close(),
    (error) => {
      console.error(error.message);
      process.exit(1);
    },
  );
