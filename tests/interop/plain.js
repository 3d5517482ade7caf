// A module on MQTT.js alone: subscribes, asks for its twin, sends to itself and upstream, is lost. Prints JSON lines.
'use strict';

const crypto = require('crypto');
const fs = require('fs');
const mqtt = require('mqtt');

const say = (record) => process.stdout.write(JSON.stringify(record) + '\n');
const fields = Object.fromEntries(
  process.env.EdgeHubConnectionString.split(';').map((part) => [part.slice(0, part.indexOf('=')), part.slice(part.indexOf('=') + 1)]),
);
const { HostName: hub, GatewayHostName: gateway, DeviceId: device, ModuleId: module_ } = fields;
const root = `devices/${device}/modules/${module_}`;
const expiry = Math.floor(Date.now() / 1000) + 3600;
const resource = encodeURIComponent(`${hub}/${root}`);
const signature = crypto
  .createHmac('sha256', Buffer.from(fields.SharedAccessKey, 'base64'))
  .update(`${resource}\n${expiry}`)
  .digest('base64');

const connect = (options) =>
  mqtt.connect({
    protocol: 'mqtts',
    host: gateway,
    port: 8883,
    ca: fs.readFileSync(process.env.EdgeModuleCACertificateFile),
    clientId: `${device}/${module_}`,
    username: `${hub}/${device}/${module_}/?api-version=2021-04-12`,
    password: `SharedAccessSignature sr=${resource}&sig=${encodeURIComponent(signature)}&se=${expiry}`,
    reconnectPeriod: 0,
    ...options,
  });
const event = (client, name) => new Promise((resolve) => client.once(name, (...values) => resolve(values)));
const call = (client, name, ...given) =>
  new Promise((resolve, reject) => client[name](...given, (error, value) => (error ? reject(error) : resolve(value))));
const message = async (client, prefix) => {
  for (;;) {
    const [topic, payload, packet] = await event(client, 'message');
    if (topic.startsWith(prefix)) return { payload: payload.toString(), packet };
  }
};

async function main() {
  const will = { topic: `${root}/messages/events/%24.on=up`, payload: '"gone"', qos: 1 };
  const client = connect({ will });
  await event(client, 'connect');
  const granted = await call(client, 'subscribe', [`${root}/inputs/#`, '$iothub/twin/res/#'], { qos: 1 });
  say({ granted: granted.map((one) => one.qos) });

  const twin = message(client, '$iothub/twin/res/200/?$rid=1');
  await call(client, 'publish', '$iothub/twin/GET/?$rid=1', '', { qos: 1 });
  say({ twin: JSON.parse((await twin).payload).desired.colour });

  const back = message(client, `${root}/inputs/back/`);
  await call(client, 'publish', `${root}/messages/events/%24.on=loop`, '{}', { qos: 1, retain: true });
  const received = await back;
  say({ received: received.payload, retain: received.packet.retain });

  await call(client, 'publish', `${root}/messages/events/%24.on=up`, '"up"', { qos: 1, retain: true });
  const foreign = await new Promise((resolve) => client.subscribe('#', { qos: 1 }, (error, found) => resolve(error || found)));
  say({ refused: foreign instanceof Error || foreign[0].qos === 128 });
  const closed = event(client, 'close');
  client.stream.destroy(); // without a DISCONNECT
  await closed;

  const newer = connect({ protocolVersion: 5, properties: {} });
  const code = await new Promise((resolve) => {
    newer.on('error', (error) => resolve(error.code));
    newer.on('connect', () => resolve(0));
  });
  say({ version5: code });
  newer.end(true);
}

main().catch((error) => {
  process.stderr.write(`${error.name}: ${error.message}\n`);
  process.exit(1);
});
