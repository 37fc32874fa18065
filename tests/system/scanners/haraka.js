// Runs Haraka's plugin for rspamd on one message, as Haraka does at the end of DATA, and prints what it did.
//   node haraka.js PLUGIN PORT [SETTING...]     message on standard input; SETTING: a switch of rspamd.ini to set, `defer.error`
'use strict'

const { Readable } = require('node:stream')
const fs = require('node:fs')

const [folder, port, ...set] = process.argv.slice(2)
Object.assign(global, { DENY: 902, DENYSOFT: 903 })
const plugin = require(folder)
const said = { code: null, message: null, added: [], removed: [] }

// What Haraka makes of rspamd.ini: `+name` and `-name` are switches with their defaults.
function settings(_file, { booleans }) {
  const cfg = { main: { host: '127.0.0.1', port, timeout: 50 }, header: {} }
  const put = (name, value) => {
    const [section, key] = name.split('.')
    cfg[section] ??= {}
    cfg[section][key] = value
  }
  for (const name of booleans) put(name.slice(1), name[0] === '+')
  for (const name of set) put(name, true)
  return cfg
}

const results = { get: () => undefined, add: () => {} }
const log = () => {}
const connection = {
  remote: { ip: '192.0.2.7', host: 'client.example', is_local: false, is_private: false },
  hello: { host: 'client.example' },
  tls: { enabled: true, cipher: { name: 'TLS_AES_256_GCM_SHA384', version: 'TLSv1.3' } },
  notes: {},
  results,
  logdebug: log,
  loginfo: log,
  logerror: log,
  transaction: {
    uuid: '5D1A-77.1',
    mail_from: { address: 'sender@example.net' },
    rcpt_to: [{ address: 'user@example.org' }, { address: 'other@example.org' }],
    header: { get: () => 'one' },
    message_stream: Readable.from([fs.readFileSync(0)]),
    results,
    add_header: (name, value) => said.added.push([name, value]),
    remove_header: (name) => said.removed.push(name),
  },
}

let hook = 'hook_data_post'
Object.assign(plugin, {
  name: 'rspamd',
  timeout: 60,
  config: { get: settings },
  register_hook: (_name, method) => (hook = method),
})
plugin.register()
plugin[hook]((code, message) => {
  said.code = code === DENY ? 'deny' : code === DENYSOFT ? 'denysoft' : 'next'
  said.message = message === undefined ? null : String(message.reply ?? message)
  console.log(JSON.stringify(said))
  process.exit(0)
}, connection)
