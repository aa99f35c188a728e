#!/bin/sh
# usage: postfix.sh start FOLDER PORT CERTIFICATE KEY [TLSPORT RELAY LMTP]
#        postfix.sh stop FOLDER
#
# A private Postfix on 127.0.0.1:PORT, and with TLS at once on TLSPORT, with
# configuration, queue and log in FOLDER; the system's own stay as they are.
# Mail for example.com is handed to a script that keeps it in FOLDER/kept, mail
# for relay.test goes by SMTP to port RELAY, for lmtp.test by LMTP to port
# LMTP. Needs root.
set -eu
folder=$2
PATH=$PATH:/usr/sbin

if [ "$1" = stop ]; then
  postfix -c "$folder/etc" stop
  exit
fi

tls_port=${6:-0} relay=${7:-1} lmtp=${8:-1}

mkdir -p "$folder/etc" "$folder/queue" "$folder/data" "$folder/kept"
chmod 755 "$folder"
chown postfix "$folder/data"
chmod 777 "$folder/kept"

cat >"$folder/keep" <<'END'
#!/bin/sh
# usage: keep FOLDER SENDER RECIPIENT...
path=$1/$$
shift
cat >"$path.new"
echo "$*" >"$path.session"
mv "$path.new" "$path.eml"
END
chmod 755 "$folder/keep"

cat >"$folder/etc/main.cf" <<END
compatibility_level = 3.6
queue_directory = $folder/queue
data_directory = $folder/data
maillog_file = $folder/mail.log
maillog_file_prefixes = $folder
inet_interfaces = 127.0.0.1
inet_protocols = all
myhostname = postfix.example.net
mydestination =
mynetworks = 127.0.0.9/32
smtpd_authorized_xclient_hosts = 127.0.0.1
smtpd_authorized_xforward_hosts = 127.0.0.1
smtpd_relay_restrictions = reject_unauth_destination
virtual_mailbox_domains = example.com
virtual_mailbox_maps = static:any
virtual_transport = keep
relay_domains = relay.test, lmtp.test
transport_maps = inline:{ { relay.test = smtp:[127.0.0.1]:$relay },
  { lmtp.test = lmtp:inet:127.0.0.1:$lmtp } }
smtp_tls_security_level = may
smtp_destination_concurrency_limit = 20
local_recipient_maps =
default_transport = error:nothing leaves this machine
smtpd_tls_security_level = may
smtpd_tls_cert_file = $4
smtpd_tls_key_file = $5
smtpd_peername_lookup = no
smtpd_forbid_bare_newline = reject
smtpd_forbid_bare_newline_exclusions =
alias_maps =
END

cat >"$folder/etc/master.cf" <<END
127.0.0.1:$3 inet n - n - - smtpd
pickup   unix n - n 60  1 pickup
cleanup  unix n - n -   0 cleanup
qmgr     unix n - n 300 1 qmgr
tlsmgr   unix - - n 1000? 1 tlsmgr
rewrite  unix - - n -   - trivial-rewrite
bounce   unix - - n -   0 bounce
defer    unix - - n -   0 bounce
trace    unix - - n -   0 bounce
verify   unix - - n -   1 verify
error    unix - - n -   - error
retry    unix - - n -   - error
anvil    unix - - n -   1 anvil
scache   unix - - n -   1 scache
proxymap unix - - n -   - proxymap
flush    unix n - n 1000? 0 flush
postlog  unix-dgram n - n - 1 postlogd
smtp     unix - - n -   - smtp
lmtp     unix - - n -   - lmtp
keep     unix - n n -   4 pipe
  user=nobody argv=$folder/keep $folder/kept \${sender} \${recipient}
END

if [ "$tls_port" != 0 ]; then
  echo "127.0.0.1:$tls_port inet n - n - - smtpd -o smtpd_tls_wrappermode=yes" \
    >>"$folder/etc/master.cf"
fi

postfix -c "$folder/etc" start
