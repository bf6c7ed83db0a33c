# A real mail server of our own for the system tests: Debian's exim4, with a configuration, a spool
# and a user of our own, on free ports of 127.0.0.1; a copy of the program without its set-user-ID
# bit, so that it ends with the test and touches nothing of the host's. (The unit tests have the same
# in tests/unit/flow/mail_server.c.) Sourced by bash, after servers.sh.
#
#   exim_start DIR PEM     PEM: certificate and key. DIR is readable by everybody. Sets
#                          EXIM_STARTTLS   the port with STARTTLS, and AUTH under it
#                          EXIM_SMTPS      the port with TLS at once, and AUTH
#                          EXIM_PLAIN      the port with neither
#                          EXIM_PID
#   exim_accepted DIR      how many messages it took
#   exim_mail DIR ADDRESS  what it delivered to ADDRESS, awaited
#
# It takes the user $EXIM_USER with the password $EXIM_PASSWORD, and refuses nobody@... with 550.

EXIM_USER=me.example
EXIM_PASSWORD="a hidden password"

exim_configuration() { # DIR USER GROUP
    cat <<CONF
exim_path = $1/exim
spool_directory = $1/spool
log_file_path = $1/log/%slog
pid_file_path = $1/exim.pid
primary_hostname = mail.example
local_interfaces = <; 127.0.0.1
daemon_smtp_ports = $EXIM_STARTTLS : $EXIM_SMTPS : $EXIM_PLAIN
tls_on_connect_ports = $EXIM_SMTPS
tls_advertise_hosts = \${if ={\$received_port}{$EXIM_PLAIN}{}{*}}
auth_advertise_hosts = \${if def:tls_in_cipher{*}{}}
tls_certificate = $1/server.pem
tls_privatekey = $1/server.pem
exim_user = $2
exim_group = $3
deliver_drop_privilege
keep_environment =
host_lookup =
rfc1413_query_timeout = 0s
acl_smtp_rcpt = recipient
begin acl
recipient:
  deny local_parts = nobody
       message = no such user here
  accept
begin routers
all:
  driver = accept
  transport = files
begin transports
files:
  driver = appendfile
  directory = $1/mail
  maildir_format
  user = $2
  group = $3
  envelope_to_add
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = \${if and{{eq{\$auth2}{$EXIM_USER}}{eq{\$auth3}{$EXIM_PASSWORD}}}}
CONF
}

exim_start() { # DIR PEM
    local dir=$1 user group as=() i
    user=$(id -u) group=$(id -g)
    if [ "$user" -eq 0 ]; then # never root: exim would do as its own user does
        user=$(id -u Debian-exim) group=$(id -g Debian-exim)
        as=(setpriv "--reuid=$user" "--regid=$group" --clear-groups)
    fi
    EXIM_STARTTLS=$(free_port) EXIM_SMTPS=$(free_port) EXIM_PLAIN=$(free_port)
    mkdir -p "$dir/mail" "$dir/spool" "$dir/log"
    cp "$2" "$dir/server.pem"
    cp /usr/sbin/exim4 "$dir/exim"
    exim_configuration "$dir" "$user" "$group" >"$dir/exim.conf"
    chmod 755 "$dir/exim"
    chmod 644 "$dir/exim.conf"
    chmod 600 "$dir/server.pem"
    chown "$user:$group" "$dir" "$dir/mail" "$dir/spool" "$dir/log" "$dir/server.pem"
    "${as[@]}" "$dir/exim" -C "$dir/exim.conf" -bdf >"$dir/said" 2>&1 3>&- &
    EXIM_PID=$!
    for i in $(seq 200); do
        ! (exec 4<>"/dev/tcp/127.0.0.1/$EXIM_STARTTLS") 2>/dev/null || return 0
        sleep 0.05
    done
    cat "$dir/said" "$dir"/log/* >&2
    return 1
}

exim_accepted() { # DIR
    cat "$1/log/mainlog" 2>/dev/null | grep -c ' <= ' || true
}

exim_mail() { # DIR ADDRESS
    local i
    for i in $(seq 200); do
        ! grep -rlsq "^Envelope-to: $2\$" "$1/mail/new" || break
        sleep 0.05
    done
    cat $(grep -rls "^Envelope-to: $2\$" "$1/mail/new")
}
