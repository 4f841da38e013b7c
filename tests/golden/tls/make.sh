#!/bin/sh
# Makes the self-signed certificate that tests/server shows on 127.0.0.1 (OpenSSL 3.0.19).
# It is trusted only where a test names it; the key is public and protects nothing.
# SPDX-License-Identifier: MIT
cd "$(dirname "$0")" || exit 1
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -sha256 \
  -days 36500 -subj "/CN=mmrec test" -addext "subjectAltName=IP:127.0.0.1,DNS:localhost" \
  -keyout key.pem -out cert.pem
# The same for another host, whose name must not be accepted on 127.0.0.1.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -sha256 \
  -days 36500 -subj "/CN=mmrec other" -addext "subjectAltName=DNS:other.example" \
  -keyout other-key.pem -out other-cert.pem
