// Messages as mailparser reads and nodemailer writes them, for the interop
// specs: see gmime_peer.c, which takes the same arguments.
"use strict";
const fs = require("fs");
const crypto = require("crypto");

function addresses(field) {
  return field ? field.value.map((a) => [a.name, a.address]) : [];
}

async function read(path) {
  const { simpleParser } = require("mailparser");
  const mail = await simpleParser(fs.readFileSync(path), {
    skipTextToHtml: true, skipHtmlToText: true, skipImageLinks: true,
    keepCidLinks: true });
  const leaves = mail.attachments.map((a) => ({
    type: a.contentType, name: a.filename || null,
    id: a.contentId ? a.contentId.replace(/^<|>$/g, "") : null,
    sha: crypto.createHash("sha256").update(a.content).digest("hex") }));
  console.log(JSON.stringify({ subject: mail.subject || "",
    from: addresses(mail.from), to: addresses(mail.to),
    text: mail.text || "", html: mail.html || "", leaves }));
}

function word(text) {
  return text === "-" ? undefined : Buffer.from(text, "base64");
}

function add(mail, verb, words) {
  const [first, second, third, data] = words.map(word);
  const text = (b) => (b ? b.toString() : "");
  if (verb === "subject") mail.subject = text(first);
  if (verb === "from") mail.from = { name: text(first), address: text(second) };
  if (verb === "to") {
    mail.to.push({ name: text(first), address: text(second) });
  }
  if (verb === "body") {
    mail[text(first) === "text/html" ? "html" : "text"] = text(data);
  }
  if (verb === "inline" || verb === "attach") {
    mail.attachments.push({ contentType: text(first),
      filename: second ? text(second) : false,
      cid: third ? text(third) : undefined, content: data || Buffer.alloc(0),
      contentDisposition: verb === "inline" ? "inline" : "attachment" });
  }
}

async function write(path) {
  const MailComposer = require("nodemailer/lib/mail-composer");
  let mail, number = 0;
  for (const line of fs.readFileSync(path, "utf8").split("\n")) {
    const [verb, ...words] = line.split(" ");
    if (verb === "message") mail = { to: [], attachments: [] };
    else if (verb === "end") {
      const octets = await new MailComposer(mail).compile().build();
      fs.writeFileSync(path + "." + ++number, octets);
    } else if (verb) add(mail, verb, words);
  }
}

(async () => {
  const [mode, ...paths] = process.argv.slice(2);
  if (mode === "write") return write(paths[0]);
  for (const path of paths) await read(path);
})();
