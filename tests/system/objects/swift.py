#!/usr/bin/python3
"""An S3 server from Debian's packages: OpenStack Swift with its s3api, one copy of everything, in a folder.

swift.py FOLDER PORT KEY SECRET BUCKET

Serves on 127.0.0.1:PORT for the access key KEY (account:user), makes the bucket, says "ready", and ends when its
standard input does.
"""
import hashlib
import hmac
import os
import socket
import subprocess
import sys
import time
import urllib.request

folder, port, key, secret, bucket = sys.argv[1:]
account, user = key.split(":")
region = "us-east-1"

DEFAULT = """[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
swift_dir = {folder}
devices = {folder}/node
mount_check = false
user = {owner}
log_address = {folder}/log
"""
STORAGE = """[pipeline:main]
pipeline = {name}-server
[app:{name}-server]
use = egg:swift#{name}
"""
PROXY = """[pipeline:main]
pipeline = catch_errors cache listing_formats s3api tempauth proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:9
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:s3api]
use = egg:swift#s3api
s3_acl = false
location = {region}
[filter:tempauth]
use = egg:swift#tempauth
user_{account}_{user} = {secret} .admin
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def write(name, text):
    with open(os.path.join(folder, name), "w") as file:
        file.write(text)


def signed_put(path):
    """A request with the signature of AWS, version 4, as the bucket is made by nobody else."""
    host = "127.0.0.1:" + port
    now = time.gmtime()
    day, moment = time.strftime("%Y%m%d", now), time.strftime("%Y%m%dT%H%M%SZ", now)
    empty = hashlib.sha256(b"").hexdigest()
    names = "host;x-amz-content-sha256;x-amz-date"
    headers = f"host:{host}\nx-amz-content-sha256:{empty}\nx-amz-date:{moment}\n"
    request = f"PUT\n{path}\n\n{headers}\n{names}\n{empty}"
    scope = f"{day}/{region}/s3/aws4_request"
    digest = hashlib.sha256(request.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{digest}"
    signing = ("AWS4" + secret).encode()
    for part in scope.split("/"):
        signing = hmac.new(signing, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(signing, text.encode(), hashlib.sha256).hexdigest()
    credential = f"Credential={key}/{scope}, SignedHeaders={names}, Signature={signature}"
    return urllib.request.Request(
        f"http://{host}{path}",
        method="PUT",
        headers={
            "x-amz-content-sha256": empty,
            "x-amz-date": moment,
            "Authorization": "AWS4-HMAC-SHA256 " + credential,
        },
    )


os.makedirs(os.path.join(folder, "node/sda"))
write("swift.conf", "[swift-hash]\nswift_hash_path_suffix = a\nswift_hash_path_prefix = b\n"
      "[storage-policy:0]\nname = only\ndefault = yes\n")
import pwd  # noqa: E402

owner = pwd.getpwuid(os.getuid()).pw_name
servers = []
for name in ["account", "container", "object"]:
    own = free_port()
    builder = os.path.join(folder, name + ".builder")
    for command in [["create", "4", "1", "0"], ["add", f"r1z1-127.0.0.1:{own}/sda", "1"], ["rebalance"]]:
        subprocess.run(["swift-ring-builder", builder, *command], stdout=subprocess.DEVNULL)
    write(name + ".conf", DEFAULT.format(port=own, folder=folder, owner=owner) + STORAGE.format(name=name))
    servers.append(name)
write("proxy.conf", DEFAULT.format(port=port, folder=folder, owner=owner)
      + PROXY.format(region=region, account=account, user=user, secret=secret))
servers.append("proxy")
running = [
    subprocess.Popen([f"swift-{name}-server", os.path.join(folder, name + ".conf")],
                     stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    for name in servers
]
try:
    deadline = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(signed_put("/" + bucket), timeout=10).read()
            break
        except OSError as error:
            if time.monotonic() > deadline:
                sys.exit(f"not ready: {error} {getattr(error, 'read', bytes)()}")
            time.sleep(0.2)
    print("ready", flush=True)
    sys.stdin.read()
finally:
    for server in running:
        server.kill()
