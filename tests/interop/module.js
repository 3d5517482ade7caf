// A module on Node's unmodified SDK: reads its twin, reports, sends, receives, answers a method. Prints JSON lines.
'use strict';

const { ModuleClient, Message } = require('azure-iot-device');
const { Mqtt } = require('azure-iot-device-mqtt');

const say = (record) => process.stdout.write(JSON.stringify(record) + '\n');

async function main() {
  const client = await ModuleClient.fromEnvironment(Mqtt);
  client.on('inputMessage', (input, message) => {
    client.complete(message, () => {});
    say({ received: { input, body: message.getData().toString(), odd: message.properties.getValue('odd') } });
  });
  client.onMethod('status', (request, response) => response.send(200, { got: request.payload }));
  await client.open();
  const twin = await client.getTwin();
  say({ desired: twin.properties.desired });
  twin.on('properties.desired', (delta) => say({ delta }));
  await new Promise((resolve, reject) => {
    twin.properties.reported.update({ node: process.version }, (error) => (error ? reject(error) : resolve()));
  });
  const message = new Message(JSON.stringify({ from: 'node' }));
  message.contentType = 'application/json';
  message.contentEncoding = 'utf-8';
  message.properties.add('odd', 'ü & =/');
  await client.sendOutputEvent('up', message);
  await client.sendOutputEvent('loop', message);
  say({ sent: true });
}

main().catch((error) => {
  process.stderr.write(`${error.name}: ${error.message}\n`);
  process.exit(1);
});
