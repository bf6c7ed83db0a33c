# make_request ID [KEY-FILE]: a request of $NAME as the store keeps it, its key new or a given one
# (PEM), its CSR made by openssl. Into $W/state, which exists.
make_request() {
    local id=$1 folder=$W/state/certificates/$NAME/requests/$1 key_id csr_sha256
    mkdir -p -m 0700 "$W/state/certificates" "$W/state/certificates/$NAME" \
        "$W/state/certificates/$NAME/requests" "$folder"
    if [ $# -gt 1 ]; then
        (umask 077 && openssl pkey -in "$2" -out "$folder/privkey.pem")
    else
        (umask 077 && openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 \
            -out "$folder/privkey.pem")
    fi
    openssl req -new -key "$folder/privkey.pem" -out "$folder/request.csr" \
        -subj "/C=HK/ST=Hong Kong/L=Hong Kong/O=My Organisation/CN=$NAME"
    key_id=$(openssl pkey -in "$folder/privkey.pem" -pubout -outform DER | sha256sum | cut -c-64)
    csr_sha256=$(openssl req -in "$folder/request.csr" -outform DER | sha256sum | cut -c-64)
    jq -n --arg id "$id" --arg name "$NAME" --arg authority "${AUTHORITY:-testpost}" \
        --arg key_id "${key_id^^}" --arg csr "${csr_sha256^^}" \
        '{id: $id, name: $name, state: "open", kind: "first", reason: null, batch: null,
          created: 1795250520, shown: 1795250520, closed: 0, authority: $authority,
          names: [$name], organization: null, chinese_organization: null, validation: "any",
          key: "EC P-256", reused: false, key_id: $key_id, csr_sha256: $csr, backups: [],
          without_backup: false, generation: 0}' >"$folder/request.json"
    chmod 0600 "$folder"/*
}
