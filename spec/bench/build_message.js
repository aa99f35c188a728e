// usage: build_message.js FILE SECONDS memory|file - builds a message with the
// file's octets attached, if it has any, and drains its stream, again and
// again; prints the processor time that one takes. file: each time it is read.
"use strict";
const fs = require("fs");
const MailComposer = require("nodemailer/lib/mail-composer");

const octets = fs.readFileSync(process.argv[2]);
const attached = process.argv[4] === "file"
  ? { filename: "data.bin", path: process.argv[2] }
  : { filename: "data.bin", content: octets };
const text = "Les élèves ont été très appliqués cette année, dit-on à Paris.\n";

function build() {
  const mail = new MailComposer({
    from: "Ana Müller <ana@example.org>", to: "bob@example.net",
    subject: "Grüße aus Köln", text: text.repeat(30),
    attachments: octets.length ? [attached] : [] });
  return new Promise((resolve, reject) => {
    let size = 0;
    const stream = mail.compile().createReadStream();
    stream.on("data", (chunk) => { size += chunk.length; });
    stream.on("end", () => resolve(size));
    stream.on("error", reject);
  });
}

function spent(since) {
  const used = process.cpuUsage(since);
  return (used.user + used.system) / 1e6;
}

(async () => {
  for (let i = 0; i < 5; i++) await build(); // compiled by then
  const start = process.cpuUsage();
  let count = 0;
  do {
    await build();
    count++;
  } while (spent(start) < Number(process.argv[3]));
  console.log(spent(start) / count);
})();
