#!/bin/sh
# Listen with TLS if there is a certificate, else without TLS.
set -eu

if [ -r /tls/tls.crt ] && [ -r /tls/tls.key ]; then
    for port in 5000 8080; do
        echo "listen $port ssl;" > "/tmp/listen-$port.conf"
    done
    cat > /tmp/tls.conf <<'END'
ssl_certificate /tls/tls.crt;
ssl_certificate_key /tls/tls.key;
ssl_protocols TLSv1.2 TLSv1.3;
END
else
    echo "proxy: there is no certificate in TLS_DIR, so passwords travel in clear" >&2
    for port in 5000 8080; do
        echo "listen $port;" > "/tmp/listen-$port.conf"
    done
    : > /tmp/tls.conf
fi
exec nginx -c /opt/proxy/nginx.conf -g 'daemon off;'
