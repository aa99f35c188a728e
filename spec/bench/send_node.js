// usage: send_node.js PORT COUNT SIZE - composes and sends messages with an
// attachment by nodemailer's pool, over one connection; prints seconds, and
// processor seconds.
"use strict";
const nodemailer = require("nodemailer");
const crypto = require("crypto");

const [port, count, size] = process.argv.slice(2).map(Number);
const octets = crypto.randomBytes(size);
const text = "Les élèves ont été très appliqués cette année, dit-on à Paris.\n"
  .repeat(30);
const pool = nodemailer.createTransport({
  host: "127.0.0.1", port, secure: false, ignoreTLS: true, name: "localhost",
  pool: true, maxConnections: 1, maxMessages: Infinity });

function send() {
  return pool.sendMail({
    from: "Ana Müller <ana@example.org>", to: "bob@example.net",
    subject: "Grüße aus Köln", text,
    attachments: [{ filename: "data.bin", content: octets }] });
}

(async () => {
  for (let i = 0; i < 3; i++) await send(); // compiled by then
  const start = process.hrtime.bigint(), spent = process.cpuUsage();
  for (let i = 0; i < count; i++) await send();
  const used = process.cpuUsage(spent);
  console.log(Number(process.hrtime.bigint() - start) / 1e9,
    (used.user + used.system) / 1e6);
  pool.close();
})();
