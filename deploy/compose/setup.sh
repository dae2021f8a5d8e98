#!/usr/bin/env bash
# Makes what an installation must have before it starts: keys of the seal, certificates, passwords,
# tokens. Everything stays within the folder of its program, readable by its user alone.
#
#   setup.sh FOLDER        a second run changes nothing (it adds the actor key to volumes that have none yet)
#
# Needs bash, coreutils, sed and openssl.
set -euo pipefail
umask 077
folder=$1
definitions=$(cd "$(dirname "$0")/.." && pwd)/rabbitmq/definitions.json
cd "$folder"
mkdir -p identity/keys identity/tls owner mailer/keys servers/tls clients gateway/tls

# Actors: the gateway signs for whom it calls, by Ed25519 (RFC 8037). The key's id is its thumbprint (RFC 7638).
actor_pair() {
    local x kid
    openssl genpkey -algorithm ed25519 -out gateway/actors.pem
    x=$(openssl pkey -in gateway/actors.pem -pubout -outform DER | tail -c 32 | basenc --base64url | tr -d '=')
    kid=$(printf '{"crv":"Ed25519","kty":"OKP","x":"%s"}' "$x" | openssl dgst -sha256 -binary \
        | basenc --base64url | tr -d '=')
    printf '{"keys":[{"kty":"OKP","crv":"Ed25519","use":"sig","kid":"%s","x":"%s"}]}\n' "$kid" "$x" > identity/actors.jwks.new
    # Whole or not at all: its being there says that this is done.
    mv identity/actors.jwks.new identity/actors.jwks
}

# The programs run as 65532 (distroless).
hand_over() { if [ "$(id -u)" = 0 ]; then chown -R 65532:65532 identity owner mailer gateway; fi; }

if [ -e servers/done ]; then
    if [ -e identity/actors.jwks ]; then
        echo "setup: everything is there already"
    else
        # Of an earlier version, whose gateway was believed at its word.
        sed -i '/^name = "gateway"$/,/^scopes = / s/, "assert-actor"//' identity/callers.toml
        if sed -n '/^name = "gateway"$/,/^\[\[callers\]\]$/p' identity/callers.toml | grep -q assert-actor; then
            echo "setup: take assert-actor from the caller gateway in identity/callers.toml, and start again" >&2
            exit 1
        fi
        actor_pair
        echo "setup: the actor key is made, the rest is there already"
    fi
    hand_over
    exit 0
fi

secret() { openssl rand -hex 24; }

# Seal: X25519 (RFC 7748). A key's name is the start of the SHA-256 of its public half.
seal_pair() { # ROLE OWN_FOLDER OTHER_FOLDER
    local role=$1 own=$2 other=$3 pair id
    pair=$(mktemp)
    openssl genpkey -algorithm X25519 -outform DER -out "$pair"
    id=$(openssl pkey -inform DER -in "$pair" -pubout -outform DER | tail -c 32 | sha256sum | cut -c 1-16)
    tail -c 32 "$pair" | base64 > "$own/$role-$id.key"
    openssl pkey -inform DER -in "$pair" -pubout -outform DER | tail -c 32 | base64 \
        | tee "$own/$role-$id.pub" > "$other/$role-$id.pub"
    rm "$pair"
}
seal_pair identity identity/keys mailer/keys
seal_pair mailer mailer/keys identity/keys
openssl rand -base64 32 > identity/keys/digest.key
actor_pair

# Certificates, all of one authority whose key is thrown away: later ones come from your own.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 \
    -subj "/CN=Sandi compose" -keyout ca.key -out ca.crt 2> /dev/null
certificate() { # FOLDER NAME...
    local at=$1 names
    shift
    names=$(printf 'DNS:%s,' "$@")
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" \
        -keyout "$at/tls.key" -out "$at/request" 2> /dev/null
    openssl x509 -req -in "$at/request" -CA ca.crt -CAkey ca.key -CAcreateserial -days 398 -out "$at/tls.crt" \
        -extfile <(printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth\n' "${names%,}") 2> /dev/null
    rm "$at/request"
}
certificate identity/tls identity localhost
certificate servers/tls mailpit
certificate gateway/tls gateway localhost
rm -f ca.key ca.srl
for reader in mailer gateway clients; do cp ca.crt "$reader/ca.crt"; done

# Passwords, each with its two sides: the server's and the program's.
owner=$(secret) service=$(secret) broker_identity=$(secret) broker_mailer=$(secret) smtp=$(secret)
secret > servers/postgres-password
secret > servers/grafana-password
operator=$(secret)
echo "$operator" > servers/rabbitmq-password
printf "SANDI_OWNER_PASSWORD=%s\nSANDI_SERVICE_PASSWORD=%s\n" "$owner" "$service" > servers/roles.env
# Within compose's own network the database speaks without TLS; elsewhere let it be sslmode=verify-full.
echo "postgres://sandi_owner:$owner@postgres/sandi?sslmode=disable" > owner/database-owner-url
echo "postgres://sandi_identity:$service@postgres/sandi?sslmode=disable" | tee identity/database-url > owner/database-url
echo "amqp://sandi_identity:$broker_identity@rabbitmq/sandi" > identity/amqp-url
echo "amqp://sandi_mailer:$broker_mailer@rabbitmq/sandi" > mailer/amqp-url
echo "$smtp" > mailer/smtp-password
echo "sandi:$smtp" > servers/smtp-login

# RabbitMQ reads this once more at each start: rabbitmq/definitions.json, in which the users have passwords now. The
# operator is an administrator too: he looks around in the management page.
log_in() { # NAME PASSWORD TAGS
    local text
    text=$(sed "/\"name\": \"$1\"/,/\"tags\"/ {
        s/\"password_hash\": \"\"/\"password\": \"$2\"/
        s/\"tags\": \[\]/\"tags\": [$3]/
    }" servers/users.json)
    [[ $text == *"\"password\": \"$2\""* ]] || { echo "setup: $definitions has no user $1" >&2; exit 1; }
    echo "$text" > servers/users.json
}
cat "$definitions" > servers/users.json
log_in sandi_identity "$broker_identity" ""
log_in sandi_mailer "$broker_mailer" ""
log_in sandi_operator "$operator" '"administrator"'

# Callers: each has a token, the service its digest alone.
caller() { # NAME SCOPES
    local token
    token=$(openssl rand -base64 32 | tr -d '\n')
    printf '%s' "$token" > "clients/$1.token"
    printf '[[callers]]\nname = "%s"\ntoken_sha256 = ["%s"]\nscopes = [%s]\n\n' \
        "$1" "$(printf '%s' "$token" | sha256sum | cut -c 1-64)" "$2"
}
{
    caller gateway '"password.reset", "password.change", "password.verify", "password.admin", "directory.read", "forward-requester"'
    caller crm '"password.verify", "password.change", "password.admin", "directory.read", "directory.write", "directory.admin", "forward-requester", "assert-actor"'
    caller support '"support.read", "support.act", "audit.read"'
} > identity/callers.toml
cp clients/gateway.token gateway/identity-token
openssl rand -base64 64 | tr -d '\n' > gateway/cookie-key

hand_over
# The servers' folder is a volume that they alone see, each as a user of its own.
chmod -R a+rX servers
touch servers/done
echo "setup: keys, certificates, passwords and tokens are made"
