--- Media types by the extension of a file's name.

local ascii = require "lunapost.ascii"

local M = {}

M.unknown = "application/octet-stream"

local by_extension <const> = {
  -- text
  txt = "text/plain", text = "text/plain", log = "text/plain",
  asc = "text/plain", md = "text/markdown", markdown = "text/markdown",
  html = "text/html", htm = "text/html", css = "text/css", csv = "text/csv",
  tsv = "text/tab-separated-values", rtx = "text/richtext",
  ics = "text/calendar", vcf = "text/vcard", xml = "text/xml",
  lua = "text/x-lua", c = "text/x-c", h = "text/x-c", py = "text/x-python",
  sh = "text/x-shellscript", diff = "text/x-diff", patch = "text/x-diff",
  -- image
  png = "image/png", jpg = "image/jpeg", jpeg = "image/jpeg",
  jpe = "image/jpeg", gif = "image/gif", webp = "image/webp",
  svg = "image/svg+xml", bmp = "image/bmp", ico = "image/vnd.microsoft.icon",
  tif = "image/tiff", tiff = "image/tiff", avif = "image/avif",
  heic = "image/heic", jxl = "image/jxl",
  -- audio
  au = "audio/basic", snd = "audio/basic", mp3 = "audio/mpeg",
  ogg = "audio/ogg", oga = "audio/ogg", opus = "audio/ogg",
  wav = "audio/x-wav", flac = "audio/flac", m4a = "audio/mp4",
  aac = "audio/aac", mid = "audio/midi", midi = "audio/midi",
  -- video
  mpg = "video/mpeg", mpeg = "video/mpeg", mp4 = "video/mp4",
  webm = "video/webm", mov = "video/quicktime", avi = "video/x-msvideo",
  ogv = "video/ogg", mkv = "video/x-matroska",
  -- message
  eml = "message/rfc822", mht = "message/rfc822",
  -- application
  pdf = "application/pdf", ps = "application/postscript",
  eps = "application/postscript", ai = "application/postscript",
  json = "application/json", yaml = "application/yaml",
  yml = "application/yaml", toml = "application/toml",
  js = "text/javascript", mjs = "text/javascript",
  wasm = "application/wasm", sql = "application/sql", rtf = "application/rtf",
  zip = "application/zip", gz = "application/gzip", tgz = "application/gzip",
  bz2 = "application/x-bzip2", xz = "application/x-xz",
  zst = "application/zstd", tar = "application/x-tar",
  ["7z"] = "application/x-7z-compressed", rar = "application/vnd.rar",
  jar = "application/java-archive", epub = "application/epub+zip",
  doc = "application/msword", xls = "application/vnd.ms-excel",
  ppt = "application/vnd.ms-powerpoint",
  docx = "application/vnd.openxmlformats-officedocument"
    .. ".wordprocessingml.document",
  xlsx = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
  pptx = "application/vnd.openxmlformats-officedocument"
    .. ".presentationml.presentation",
  odt = "application/vnd.oasis.opendocument.text",
  ods = "application/vnd.oasis.opendocument.spreadsheet",
  odp = "application/vnd.oasis.opendocument.presentation",
  p7s = "application/pkcs7-signature", p7m = "application/pkcs7-mime",
  sig = "application/pgp-signature", pgp = "application/pgp-encrypted",
  pem = "application/x-pem-file", crt = "application/x-x509-ca-cert",
  ttf = "font/ttf", otf = "font/otf", woff = "font/woff", woff2 = "font/woff2",
}

--- The media type that a file's name suggests.
---@param name string?  a name or path
---@return string type  application/octet-stream where nothing is known
function M.of(name)
  local extension = name and name:match("%.([%w]+)$")
  return extension and by_extension[ascii.lower(extension)] or M.unknown
end

return M
