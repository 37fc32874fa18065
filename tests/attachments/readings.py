"""What Python's email package takes for the files of messages.

usage: readings.py FILE...

Prints a JSON object a line: the path, and the files as [name, SHA-256 of the decoded content, type]."""

import email
import email.policy
import hashlib
import json
import sys


def files(message):
    for part in message.walk():
        if part.is_multipart():
            continue
        name = part.get_filename()
        shown = part.get_content_maintype() == "text" and part.get_content_disposition() != "attachment"
        if name is None and shown:
            continue
        content = part.get_payload(decode=True)
        if content is None:
            content = b""
        yield [name or "", hashlib.sha256(content).hexdigest(), part.get_content_type()]


for path in sys.argv[1:]:
    with open(path, "rb") as source:
        raw = source.read()
    try:
        found = list(files(email.message_from_bytes(raw, policy=email.policy.compat32)))
        print(json.dumps({"path": path, "files": found}))
    except Exception as error:  # What it cannot read is a finding, too.
        print(json.dumps({"path": path, "error": type(error).__name__}))
