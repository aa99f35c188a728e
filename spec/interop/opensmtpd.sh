#!/bin/sh
# usage: opensmtpd.sh ROOT FOLDER PORT
#
# OpenSMTPD, unpacked in ROOT (its package excludes Postfix's), in the
# foreground on 127.0.0.1:PORT. Mail for example.com goes into the Maildir
# FOLDER/kept. No TLS, hence no AUTH: Debian 12's build cannot use its keys
# (an engine of its own, and OpenSSL 3). Its users, programs and folders stand
# in a private mount namespace. Needs root.
set -eu
root=$1 folder=$2
mkdir -p "$folder/etc" "$folder/kept" "$folder/lib/opensmtpd/empty" \
  "$folder/spool/smtpd"
chmod 755 "$folder" "$folder/lib" "$folder/lib/opensmtpd"
chmod 711 "$folder/spool/smtpd"
chmod 777 "$folder/kept"

echo '@ nobody' >"$folder/users"
cat >"$folder/smtpd.conf" <<END
table users file:$folder/users
listen on 127.0.0.1 port $3 hostname opensmtpd.example.net
action "keep" maildir "$folder/kept" virtual <users>
match from any for domain "example.com" action "keep"
END

cp /etc/passwd /etc/group "$folder/etc"
add_user() {
  echo "$1:x:$2:$2::/var/lib/opensmtpd/empty:/bin/false" >>"$folder/etc/passwd"
  echo "$1:x:$2:" >>"$folder/etc/group"
}
add_user opensmtpd 64993
add_user opensmtpq 64994

exec unshare -m sh -c "
  mount -t overlay overlay -o lowerdir=$folder/etc:/etc /etc &&
  mount -t overlay overlay -o lowerdir=$root/usr:/usr /usr &&
  mount --bind $folder/lib /var/lib &&
  mount --bind $folder/spool /var/spool &&
  exec /usr/sbin/smtpd -d -f $folder/smtpd.conf"
