# Deployments under a steady load of new connections: not one fails.

load deploying

# load_on PORT: new TLS connections from four threads until W/stop exists, each with a request and an
# answer; then W/load says "CONNECTIONS FAILURES CERTIFICATES", and W/load.why the first failures.
load_on() {
    cat >"$W/load.py" <<'PYTHON'
import os, socket, ssl, sys, threading, time
port, name, folder = int(sys.argv[1]), sys.argv[2], sys.argv[3]
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
counts, why, seen, lock = [0, 0], [], set(), threading.Lock()
deadline = time.monotonic() + 120

def one():
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
        with context.wrap_socket(plain, server_hostname=name) as tls:
            leaf = tls.getpeercert(True)
            tls.sendall(b"GET / HTTP/1.0\r\nHost: " + name.encode() + b"\r\n\r\n")
            answer = b""
            while chunk := tls.recv(4096):
                answer += chunk
    # Apache's children are nobody's, who may not read below our private folder: a 403 is an answer
    if not answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 403")):
        raise ValueError("answered: %r" % answer[:60])
    return leaf

def work():
    while time.monotonic() < deadline and not os.path.exists(folder + "/stop"):
        try:
            leaf = one()
            with lock:
                counts[0] += 1
                seen.add(leaf)
        except Exception as error:
            with lock:
                counts[1] += 1
                why.append("%s: %r" % (time.strftime("%T"), error))
            open(folder + "/failing", "w").close()
        time.sleep(0.01)

threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
open(folder + "/load.why", "w").write("\n".join(why[:20]) + "\n")
open(folder + "/load", "w").write("%d %d %d\n" % (counts[0], counts[1], len(seen)))
PYTHON
    python3 "$W/load.py" "$1" "$NAME" "$W" 3>&- &
    LOAD=$!
    PIDS+=("$LOAD")
    sleep 0.5
}

load_off() { # sets CONNECTIONS, FAILURES, CERTIFICATES
    touch "$W/stop"
    wait "$LOAD"
    read -r CONNECTIONS FAILURES CERTIFICATES <"$W/load"
    echo "$CONNECTIONS connections, $FAILURES failed, $CERTIFICATES certificates"
    cat "$W/load.why"
}

deployments() { # HOW-MANY: of two generations, in turn
    local turn
    take "$W/$NAME.cer"
    ecert deploy --quiet
    take "$W/second.cer"
    for turn in $(seq 2 "$1"); do
        run_ecert rollback "$NAME" --to $((turn % 2 == 0 ? 2 : 1))
        [ "$status" -eq 0 ]
        says "deployed, and the server was seen to serve it"
    done
}

@test "twenty deployments to nginx under load: not one connection fails" {
    nginx_up
    write_config "$(nginx_target)"
    load_on "$NGINX_PORT"
    deployments 20
    load_off
    is "failures" 0 "$FAILURES"
    [ "$CONNECTIONS" -ge 200 ]
    is "certificates seen" 3 "$CERTIFICATES"
}

@test "ten deployments to Apache under load: not one connection fails" {
    apache_up
    write_config "$(apache_target)"
    load_on "$APACHE_PORT"
    deployments 10
    load_off
    is "failures" 0 "$FAILURES"
    [ "$CONNECTIONS" -ge 100 ]
    is "certificates seen" 3 "$CERTIFICATES"
}

@test "the load itself would see an interruption" {
    nginx_up
    load_on "$NGINX_PORT"
    stop_pid "$W/nginx/nginx.pid"
    for _ in $(seq 1000); do # a busy machine may not try once in a short stop
        if [ -e "$W/failing" ]; then break; fi
        sleep 0.01
    done
    start_nginx "$W/nginx"
    load_off
    [ "$FAILURES" -ge 1 ]
}
