#!/bin/sh
# usage: exim.sh ROOT FOLDER PORT TLSPORT CERTIFICATE KEY RELAYPORT [ARG...]
#
# Exim, unpacked in ROOT (its package excludes Postfix's), with these
# arguments, or in the foreground:
# on 127.0.0.1:PORT with STARTTLS and AUTH (user, secret), on TLSPORT with TLS
# at once. Mail for example.com goes into the Maildir FOLDER/kept, mail for
# relay.test to 127.0.0.1:RELAYPORT. Its users and its configuration stand in
# an /etc of its own: a private mount namespace. Needs root.
set -eu
root=$1 folder=$2
mkdir -p "$folder/etc/exim4" "$folder/spool" "$folder/log" "$folder/kept"
chmod 755 "$folder"
chmod 777 "$folder/kept"

cat >"$folder/etc/exim4/exim4.conf" <<END
exim_path = $root/usr/sbin/exim4
spool_directory = $folder/spool
log_file_path = $folder/log/%slog
pid_file_path = $folder/exim.pid
primary_hostname = exim.example.net
qualify_domain = example.com
local_interfaces = 127.0.0.1
daemon_smtp_ports = $3 : $4
tls_on_connect_ports = $4
tls_advertise_hosts = *
tls_certificate = $folder/exim.crt
tls_privatekey = $folder/exim.key
auth_advertise_hosts = *
dsn_advertise_hosts = *
acl_smtp_rcpt = rcpt
acl_smtp_data = accept
queue_only = true
never_users =
bounce_message_file =
begin acl
rcpt:
  deny message = no such user
    local_parts = nobody
  accept domains = example.com : relay.test
  deny message = relaying denied
begin routers
relay:
  driver = manualroute
  domains = relay.test
  route_list = * 127.0.0.1 byname
  self = send
  transport = smtp
kept:
  driver = accept
  transport = kept
begin transports
smtp:
  driver = smtp
  port = $7
  allow_localhost
  hosts_try_chunking = *
kept:
  driver = appendfile
  directory = $folder/kept
  maildir_format
  user = nobody
  group = nogroup
begin retry
* * F,1h,5m
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_condition = \${if and{{eq{\$auth2}{user}}{eq{\$auth3}{secret}}}}
  server_set_id = \$auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = \${if and{{eq{\$auth1}{user}}{eq{\$auth2}{secret}}}}
  server_set_id = \$auth1
cram:
  driver = cram_md5
  public_name = CRAM-MD5
  server_secret = \${if eq{\$auth1}{user}{secret}fail}
  server_set_id = \$auth1
END

cp "$5" "$folder/exim.crt"
cp "$6" "$folder/exim.key"
cp /etc/passwd /etc/group "$folder/etc"
echo 'Debian-exim:x:64990:64990::/nonexistent:/usr/sbin/nologin' \
  >>"$folder/etc/passwd"
echo 'Debian-exim:x:64990:' >>"$folder/etc/group"
chown -R 64990:64990 "$folder/spool" "$folder/log" "$folder/exim.key"

shift 7
[ $# -gt 0 ] || set -- -bdf -q1s
exec unshare -m sh -c "
  mount -t overlay overlay -o lowerdir=$folder/etc:/etc /etc &&
  exec $root/usr/sbin/exim4 \"\$@\"" exim "$@"
