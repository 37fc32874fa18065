-- Five megabytes in chunks; the word stands in the first one.
dofile(prelude)
local conn = mt.connect(socket)
assert(conn, "connect")
mt.set_timeout(60)
assert(mt.conninfo(conn, "client.example.net", "192.0.2.1") == nil)
assert(mt.mailfrom(conn, "<sender@example.net>") == nil)
assert(mt.rcptto(conn, "<user@example.org>") == nil)
assert(mt.header(conn, "From", "sender@example.net") == nil)
assert(mt.eoh(conn) == nil)
assert(mt.bodystring(conn, "The word is " .. six .. "\r\n") == nil)
local line = ("x"):rep(76) .. "\r\n"
local chunk = line:rep(800)
for _ = 1, 84 do
  assert(mt.bodystring(conn, chunk) == nil)
end
assert(mt.eom(conn) == nil)
assert(mt.getreply(conn) == SMFIR_CONTINUE)
local flag = mt.getheader(conn, "X-Spam-Flag", 0)
assert(flag:find("YES", 1, true), flag)
mt.disconnect(conn)
