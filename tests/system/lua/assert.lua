-- miltertest ends a script at an error without saying which; this says it.
function assert(ok, what)
  if not ok then
    mt.echo(debug.traceback("failed: " .. tostring(what), 2))
    error(what)
  end
  return ok
end
